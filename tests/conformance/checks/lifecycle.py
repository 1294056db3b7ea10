"""The life of an endpoint from CreateEndpoint to DeleteEndpoint, and what it refuses on its way."""

from typing import Any

from tests.conformance.case import LONG_S, VARIANT, Case, blue_green
from tests.conformance.suite import Area
from tests.conformance.targets import Need

AREA = Area("lifecycle")
CONFLICTS = Area("conflicts")
FAILURES = Area("first creation fails")
CREATE = "API reference, CreateEndpoint"
DESCRIBE = "API reference, DescribeEndpoint"
IN_PROGRESS = "ACK sagemaker-controller's constants: 'Cannot update in-progress endpoint'"
ABSENT = "ACK sagemaker-controller constants: 'Could not find endpoint'"
FAILED = f"{DESCRIBE}, EndpointStatus Failed: 'DeleteEndpoint is the only operation'"
PING = "aws/amazon-sagemaker-examples#379 and aws/sagemaker-python-sdk#787, FailureReason of real accounts"


def late(c: Case) -> str:
    """A config whose container takes two seconds, so that its endpoint is seen in Creating."""
    return c.config(c.model(START="late"))


@AREA.check(f"{CREATE}, EndpointArn", Need.INSTANCES)
def a_new_endpoint_is_answered_with_its_arn(c: Case) -> None:
    config, name = c.config(), c.name()
    c.at_end(lambda: c.settled(name))
    answer = c.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    c.at_end(lambda: c.sagemaker.delete_endpoint(EndpointName=name))
    assert answer["EndpointArn"] == c.target.arn("endpoint", name)
    c.settled(name)


@AREA.check(f"{CREATE}: 'it sets the endpoint status to Creating'", Need.INSTANCES)
def an_endpoint_is_first_creating_and_then_in_service(c: Case) -> None:
    endpoint = c.create_endpoint(late(c))
    assert c.describe(endpoint)["EndpointStatus"] == "Creating"
    assert c.settled(endpoint)["EndpointStatus"] == "InService"


@AREA.check(f"{DESCRIBE}, PendingDeploymentSummary: returned while the endpoint is creating", Need.INSTANCES)
def an_endpoint_that_is_creating_tells_what_is_pending(c: Case) -> None:
    config = late(c)
    endpoint = c.create_endpoint(config)
    assert c.describe(endpoint)["PendingDeploymentSummary"]["EndpointConfigName"] == config
    assert "PendingDeploymentSummary" not in c.settled(endpoint)


@AREA.check("API reference, ProductionVariantSummary", Need.INSTANCES)
def a_variant_in_service_tells_its_weight_and_instances(c: Case) -> None:
    found = c.only_variant(c.endpoint())
    assert found["VariantName"] == VARIANT
    assert (found["CurrentWeight"], found["DesiredWeight"]) == (1.0, 1.0)
    assert (found["CurrentInstanceCount"], found["DesiredInstanceCount"]) == (1, 1)


@AREA.check("API reference, DeployedImage, ResolvedImage: 'The specific digest path'", Need.INSTANCES)
def a_variant_tells_the_digest_of_its_image(c: Case) -> None:
    (image,) = c.only_variant(c.endpoint())["DeployedImages"]
    assert image["ResolvedImage"] == c.target.image


@AREA.check(f"{DESCRIBE}, EndpointConfigName, CreationTime, LastModifiedTime", Need.INSTANCES)
def an_endpoint_tells_its_config_and_times(c: Case) -> None:
    config = c.config()
    found = c.describe(c.endpoint(config))
    assert found["EndpointConfigName"] == config
    assert found["LastModifiedTime"] >= found["CreationTime"]


@AREA.check(f"{DESCRIBE}, FailureReason: told if the status is Failed", Need.INSTANCES)
def an_endpoint_in_service_has_no_failure(c: Case) -> None:
    assert "FailureReason" not in c.describe(c.endpoint())


@AREA.check("botocore waiters of SageMaker: EndpointInService and EndpointDeleted", Need.INSTANCES)
def the_waiters_of_boto3_end(c: Case) -> None:
    endpoint = c.create_endpoint(c.config())
    pace = {"Delay": 1, "MaxAttempts": 600}
    c.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=endpoint, WaiterConfig=pace)
    c.sagemaker.delete_endpoint(EndpointName=endpoint)
    c.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=endpoint, WaiterConfig=pace)


@AREA.check(f"{DESCRIBE}, EndpointStatus Deleting: 'DeleteEndpoint is executing'", Need.INSTANCES)
def a_deleted_endpoint_answers_nothing_and_then_is_gone(c: Case) -> None:
    endpoint = c.endpoint()
    c.sagemaker.delete_endpoint(EndpointName=endpoint)
    c.gone(endpoint)
    with c.refused("ValidationError"):
        c.invoke(endpoint)


@AREA.check("API reference, DeleteEndpoint: the endpoint's resources alone are freed", Need.INSTANCES)
def an_endpoints_config_and_model_outlive_it(c: Case) -> None:
    model = c.model()
    config = c.config(model)
    endpoint = c.endpoint(config)
    c.sagemaker.delete_endpoint(EndpointName=endpoint)
    c.gone(endpoint)
    c.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    c.sagemaker.describe_model(ModelName=model)


@AREA.check(f"{CREATE}, EndpointName: unique among the account's endpoints of the Region", Need.INSTANCES)
def a_deleted_endpoints_name_may_be_used_again(c: Case) -> None:
    config = c.config()
    endpoint = c.endpoint(config)
    c.sagemaker.delete_endpoint(EndpointName=endpoint)
    c.gone(endpoint)
    c.create_endpoint(config, endpoint)
    assert c.settled(endpoint)["EndpointStatus"] == "InService"


@AREA.check(
    "API reference, DeleteEndpointConfig: 'does not delete endpoints created using the configuration'", Need.INSTANCES
)
def an_endpoint_serves_without_its_config(c: Case) -> None:
    config = c.config()
    endpoint = c.endpoint(config)
    c.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    assert c.describe(endpoint)["EndpointStatus"] == "InService"
    assert c.said(endpoint, b"hello") == "hello"


@AREA.check("API reference, DeleteModel: 'deletes only the model entry'", Need.INSTANCES)
def an_endpoint_serves_without_its_model(c: Case) -> None:
    model = c.model()
    endpoint = c.endpoint(c.config(model))
    c.sagemaker.delete_model(ModelName=model)
    assert c.said(endpoint) == model


@CONFLICTS.check("aws/amazon-sagemaker-examples#2491, the refusal of a real account", Need.INSTANCES)
def an_endpoints_name_is_taken_once(c: Case) -> None:
    config = c.config()
    endpoint = c.create_endpoint(config)
    with c.refused("ValidationException", f'^Cannot create already existing endpoint ".*endpoint/{endpoint}"'):
        c.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    c.settled(endpoint)


@CONFLICTS.check(f"{CREATE}, EndpointName: 'The name is case-insensitive in CreateEndpoint'", Need.INSTANCES)
def names_that_differ_by_case_are_one(c: Case) -> None:
    config = c.config()
    endpoint = c.create_endpoint(config, c.name("lower"))
    with c.refused("ValidationException", "^Cannot create already existing endpoint"):
        c.create_endpoint(config, endpoint.replace("lower", "LOWER"))
    c.settled(endpoint)


@CONFLICTS.check("API reference, CreateEndpoint; ACK sagemaker-controller constants")
def an_endpoint_needs_a_config_that_exists(c: Case) -> None:
    with c.refused("ValidationException", '^Could not find endpoint configuration ".*"'):
        c.create_endpoint(c.name("absent"))


@CONFLICTS.check("aws/sagemaker-python-sdk#2112, the refusal of a real account")
def an_endpoint_needs_a_model_that_still_exists(c: Case) -> None:
    model = c.model()
    config = c.config(model)
    c.sagemaker.delete_model(ModelName=model)
    with c.refused("ValidationException", '^Could not find model ".*"'):
        c.create_endpoint(config)


@CONFLICTS.check(ABSENT)
def an_endpoint_that_does_not_exist_cannot_be_described(c: Case) -> None:
    with c.refused("ValidationException", "^Could not find endpoint ['\"]"):
        c.describe(c.name())


@CONFLICTS.check(ABSENT)
def an_endpoint_that_does_not_exist_cannot_be_deleted(c: Case) -> None:
    with c.refused("ValidationException", "^Could not find endpoint ['\"]"):
        c.sagemaker.delete_endpoint(EndpointName=c.name())


@CONFLICTS.check(ABSENT)
def an_endpoint_that_does_not_exist_cannot_be_updated(c: Case) -> None:
    config = c.config()
    with c.refused("ValidationException", "^Could not find endpoint ['\"]"):
        c.update(c.name(), config)


@CONFLICTS.check(ABSENT)
def an_endpoint_that_does_not_exist_cannot_be_scaled(c: Case) -> None:
    with c.refused("ValidationException", "^Could not find endpoint ['\"]"):
        c.scale(c.name(), DesiredInstanceCount=2)


@CONFLICTS.check("ACK sagemaker-controller constants: UpdateEndpointUnableToFindEndpointConfig", Need.INSTANCES)
def an_update_needs_a_config_that_exists(c: Case) -> None:
    with c.refused("ValidationException", '^Could not find endpoint configuration ".*"'):
        c.update(c.endpoint(), c.name("absent"))


@CONFLICTS.check(IN_PROGRESS, Need.INSTANCES)
def an_endpoint_that_is_creating_takes_no_update(c: Case) -> None:
    config = c.config()
    endpoint = c.create_endpoint(late(c))
    with c.refused("ValidationException", '^Cannot update in-progress endpoint ".*"'):
        c.update(endpoint, config)
    c.settled(endpoint)


@CONFLICTS.check(IN_PROGRESS, Need.INSTANCES)
def an_endpoint_that_is_creating_is_not_deleted(c: Case) -> None:
    endpoint = c.create_endpoint(late(c))
    with c.refused("ValidationException", '^Cannot update in-progress endpoint ".*"'):
        c.sagemaker.delete_endpoint(EndpointName=endpoint)
    c.settled(endpoint)


def _updating(c: Case) -> str:
    endpoint = c.endpoint()
    c.update(endpoint, c.config(), blue_green(wait_s=LONG_S // 2))
    return endpoint


@CONFLICTS.check(IN_PROGRESS, Need.INSTANCES)
def an_endpoint_takes_one_update_at_a_time(c: Case) -> None:
    endpoint, config = _updating(c), c.config()
    with c.refused("ValidationException", '^Cannot update in-progress endpoint ".*"'):
        c.update(endpoint, config)


@CONFLICTS.check(IN_PROGRESS, Need.INSTANCES)
def an_endpoint_that_is_updating_is_not_scaled(c: Case) -> None:
    with c.refused("ValidationException", '^Cannot update in-progress endpoint ".*"'):
        c.scale(_updating(c), DesiredInstanceCount=2)


@CONFLICTS.check(IN_PROGRESS, Need.INSTANCES)
def an_endpoint_that_is_updating_is_not_deleted(c: Case) -> None:
    with c.refused("ValidationException", '^Cannot update in-progress endpoint ".*"'):
        c.sagemaker.delete_endpoint(EndpointName=_updating(c))


def _failed(c: Case) -> str:
    endpoint = c.create_endpoint(c.config(c.model(START="exit"), ContainerStartupHealthCheckTimeoutInSeconds=60))
    status = c.settled(endpoint)["EndpointStatus"]
    assert status == "Failed", f"the endpoint is {status}"
    return endpoint


@FAILURES.check(PING, Need.INSTANCES)
def a_container_that_never_answers_pings_fails_the_endpoint(c: Case) -> None:
    reason = c.describe(_failed(c))["FailureReason"]
    assert "did not pass the ping health check" in reason, reason
    assert VARIANT in reason, reason


@FAILURES.check(FAILED, Need.INSTANCES)
def a_failed_endpoint_can_be_deleted_and_made_again(c: Case) -> None:
    endpoint = _failed(c)
    c.sagemaker.delete_endpoint(EndpointName=endpoint)
    c.gone(endpoint)
    c.create_endpoint(c.config(), endpoint)
    assert c.settled(endpoint)["EndpointStatus"] == "InService"


@FAILURES.check(FAILED, Need.INSTANCES)
def a_failed_endpoint_takes_no_update(c: Case) -> None:
    endpoint, config = _failed(c), c.config()
    with c.refused("ValidationException"):
        c.update(endpoint, config)


@FAILURES.check(FAILED, Need.INSTANCES)
def a_failed_endpoint_is_not_scaled(c: Case) -> None:
    endpoint = _failed(c)
    with c.refused("ValidationException"):
        c.scale(endpoint, DesiredInstanceCount=2)


@FAILURES.check(FAILED, Need.INSTANCES)
def a_failed_endpoint_answers_nothing(c: Case) -> None:
    endpoint = _failed(c)
    with c.refused("ValidationError"):
        c.invoke(endpoint)


def _of_data(c: Case, **data: Any) -> str:
    name = c.name("model")
    c.create_model(name, **data)
    return str(c.settled(c.create_endpoint(c.config(name)))["EndpointStatus"])


@FAILURES.check(
    "API reference, S3ModelDataSource: 'name clash between … a regular file and … a directory'", Need.INSTANCES
)
def a_file_and_a_folder_of_one_name_fail_the_endpoint(c: Case) -> None:
    assert _of_data(c, **c.files("clash/")) == "Failed"


@FAILURES.check(
    "API reference, S3ModelDataSource: do not organize artifacts 'in S3 console using folders'", Need.INSTANCES
)
def a_folder_of_the_s3_console_fails_the_endpoint(c: Case) -> None:
    assert _of_data(c, **c.files("console/")) == "Failed"
