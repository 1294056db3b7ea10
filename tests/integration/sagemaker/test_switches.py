"""What AWS does not document, both ways: each switch of the control plane with each of its answers."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.behaviour import Behaviour
from local.world import ACCOUNT, REGION
from tests.integration.sagemaker.conftest import Aws

ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
G5 = "ml.g5.4xlarge"
MISSING_CONFIG = f'Could not find endpoint configuration "{ARN}:endpoint-config/%s".'
MISSING_MODEL = f'Could not find model "{ARN}:model/%s".'

Call = Callable[[], Any]


def answers(**switches: Any) -> pytest.MarkDecorator:
    """The twin with these switches in place of the defaults."""
    return pytest.mark.parametrize("behaviour", [Behaviour(**switches)], ids=[str(switches)])


def refusal(call: Call) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    message: str = caught.value.response["Error"]["Message"]
    return message


def scale(aws: Aws, count: int = 2) -> None:
    wish = {"VariantName": "AllTraffic", "DesiredInstanceCount": count}
    aws.sagemaker.update_endpoint_weights_and_capacities(EndpointName="chat", DesiredWeightsAndCapacities=[wish])


@answers(fresh_config_unseen_s=30.0)
def test_a_fresh_config_may_not_be_seen_although_it_is_described(aws: Aws) -> None:
    # Source: CreateEndpoint's reference: the config is read eventually consistently, and describing it does help.
    aws.config("one")

    said = refusal(lambda: aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName="one"))
    described = aws.sagemaker.describe_endpoint_config(EndpointConfigName="one")
    aws.skip(30)
    aws.endpoint("one")
    aws.config("two")
    unseen = refusal(lambda: aws.update("two"))
    aws.skip(30)
    aws.update("two")

    assert (said, unseen) == (MISSING_CONFIG % "one", MISSING_CONFIG % "two")
    assert described["EndpointConfigName"] == "one"
    assert aws.settled()["EndpointConfigName"] == "two"


def test_the_config_that_serves_is_no_update(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))

    said = refusal(lambda: aws.update("one"))

    assert "to the endpoint configuration that it already has" in said


@answers(same_config_refused=False)
def test_the_config_that_serves_may_be_deployed_once_more(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    before = aws.facts()["pid"]

    aws.update("one")

    assert aws.settled()["EndpointConfigName"] == "one"
    assert aws.facts()["pid"] != before


def test_without_its_live_config_an_endpoint_serves_and_changes_no_more(aws: Aws) -> None:
    # Source: terraform-provider-aws#40048, whose updates fail with the ARN of the old config.
    aws.endpoint(aws.config("one"))
    aws.config("two")
    aws.sagemaker.delete_endpoint_config(EndpointConfigName="one")

    said = {refusal(lambda: aws.update("two")), refusal(lambda: scale(aws))}

    assert said == {MISSING_CONFIG % "one"}
    assert aws.describe()["EndpointStatus"] == "InService"
    assert aws.invoke()["Body"].read().startswith(b"one")
    # Source: DeleteEndpointConfig's reference: visibility into the instance type is lost.
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        aws.sagemaker.describe_endpoint_config(EndpointConfigName="one")


@answers(changes_need_live_config=False)
def test_without_its_live_config_an_endpoint_may_change_all_the_same(aws: Aws) -> None:
    # Source: AWS's advice to owners of endpoints whose config was deleted, ministryofjustice/analytical-platform#10195.
    aws.endpoint(aws.config("one"))
    aws.config("two")
    aws.sagemaker.delete_endpoint_config(EndpointConfigName="one")

    aws.update("two")

    assert aws.settled()["EndpointConfigName"] == "two"


def test_a_model_that_is_gone_serves_and_takes_no_more_instances(aws: Aws) -> None:
    # Source: DeleteModel's reference: it deletes the entry alone.
    aws.endpoint(aws.config("one"))
    aws.sagemaker.delete_model(ModelName="one")

    said = refusal(lambda: scale(aws))
    created = refusal(lambda: aws.sagemaker.create_endpoint(EndpointName="other", EndpointConfigName="one"))

    assert said == created == MISSING_MODEL % "one"
    assert aws.invoke()["Body"].read().startswith(b"one")


@answers(scaling_out_needs_models=False)
def test_a_model_that_is_gone_may_take_more_instances(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    aws.sagemaker.delete_model(ModelName="one")

    scale(aws)

    assert aws.settled()["ProductionVariants"][0]["CurrentInstanceCount"] == 2


def lose_role(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the execution role cannot be assumed."""

    def refuse(role_arn: str, *_: str) -> dict[str, str]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": f"no role {role_arn}"}}, "AssumeRole")

    monkeypatch.setattr(aws.world, "role_credentials", refuse)


def test_an_endpoint_without_its_role_cannot_be_deleted_cleanly(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    # Source: DeleteEndpoint's reference: do not delete the role, "otherwise SageMaker cannot delete these resources".
    aws.endpoint(aws.config("one"))
    with monkeypatch.context() as lost:
        lose_role(aws, lost)
        aws.sagemaker.delete_endpoint(EndpointName="chat")
        aws.until(lambda: aws.describe()["EndpointStatus"] == "Failed")
        reason, running = aws.describe()["FailureReason"], aws.instances()

    aws.sagemaker.delete_endpoint(EndpointName="chat")

    aws.until(lambda: not aws.sagemaker.list_endpoints()["Endpoints"])
    assert reason.startswith(f"Could not assume role {aws.role}.")
    assert running == 0


@answers(deletion_needs_role=False)
def test_an_endpoint_without_its_role_may_be_deleted(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.endpoint(aws.config("one"))
    lose_role(aws, monkeypatch)

    aws.sagemaker.delete_endpoint(EndpointName="chat")

    aws.until(lambda: not aws.sagemaker.list_endpoints()["Endpoints"])


def config_with_key(aws: Aws, instance_type: str) -> Any:
    variant = {"VariantName": "v", "ModelName": "one", "InstanceType": instance_type, "InitialInstanceCount": 1}
    return aws.sagemaker.create_endpoint_config(
        EndpointConfigName="keyed", ProductionVariants=[variant], KmsKeyId="alias/disks"
    )


def test_a_key_for_disks_that_the_hardware_encrypts_is_refused(aws: Aws) -> None:
    # Source: KmsKeyId of CreateEndpointConfig's reference until 2026: "the call to CreateEndpointConfig fails".
    aws.model("one")

    said = refusal(lambda: config_with_key(aws, G5))
    config_with_key(aws, "ml.m5.large")

    assert said.startswith(f"KmsKeyId is not supported for {G5} of variant v")
    assert aws.sagemaker.describe_endpoint_config(EndpointConfigName="keyed")["KmsKeyId"] == "alias/disks"


@answers(kms_key_refused_on_local_storage=False)
def test_a_key_for_disks_that_the_hardware_encrypts_may_have_no_effect(aws: Aws) -> None:
    # Source: the same member in botocore 1.44: "the KmsKeyId parameter does not encrypt instance local storage".
    aws.model("one")

    config_with_key(aws, G5)

    assert aws.sagemaker.describe_endpoint_config(EndpointConfigName="keyed")["KmsKeyId"] == "alias/disks"


@pytest.mark.parametrize(
    ("behaviour", "size"),
    [pytest.param(Behaviour(), 10, id="ten"), pytest.param(Behaviour(page_size=3), 3, id="three")],
)
def test_a_page_of_models_has_a_size_of_its_own(aws: Aws, size: int) -> None:
    for number in range(11):
        aws.model(f"model-{number}")

    page = aws.sagemaker.list_models()

    assert len(page["Models"]) == size
    assert "NextToken" in page


@pytest.mark.parametrize(
    ("behaviour", "found"),
    [
        pytest.param(Behaviour(), ["chat-one"], id="with regard to case"),
        pytest.param(Behaviour(name_filter_ignores_case=True), ["chat-one", "Chat-two"], id="without"),
    ],
)
def test_names_are_searched(aws: Aws, found: list[str]) -> None:
    for name in ("Chat-two", "chat-one", "talk"):
        aws.model(name)

    listed = aws.sagemaker.list_models(NameContains="chat", SortBy="Name", SortOrder="Descending")["Models"]

    assert [model["ModelName"] for model in listed] == found


@answers(provision_s=86_400.0)
def test_capacity_may_be_waited_for(aws: Aws) -> None:
    # Source: VariantInstanceProvisionTimeoutInSeconds of the API reference; what holds without it is not documented.
    aws.config("one")
    aws.twin.capacity.limit(G5, 0)
    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName="one")
    waiting = aws.describe()["EndpointStatus"]

    aws.twin.capacity.limit(G5, 1)

    assert waiting == "Creating"
    assert aws.settled()["EndpointStatus"] == "InService"
