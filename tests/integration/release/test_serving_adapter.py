"""SageMaker's refusals told apart, its descriptions read, the plan put into its words; against recorded answers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from release.adapters.serving import SageMakerServing, deployment_config
from release.domain.hosting import Hosting
from release.domain.plan import Plan, Strategy
from release.errors import (
    AccessDeniedError,
    EndpointBusyError,
    RolloutFailedError,
    ServiceUnavailableError,
)
from tests.builders.aws import stubbed
from tests.builders.records import IMAGE

ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/slipway-chat"
ROLE = "arn:aws:iam::123456789012:role/slipway-sagemaker-execution"
IN_PROGRESS = f'Cannot update in-progress endpoint "{ARN}".'
THERE_ALREADY = f'Cannot create already existing endpoint "{ARN}".'
MISSING = f'Could not find endpoint "{ARN}".'
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.fixture
def sagemaker() -> Iterator[tuple[SageMakerServing, Stubber]]:
    client, stub = stubbed("sagemaker")
    yield SageMakerServing(client), stub
    stub.assert_no_pending_responses()


Stubbed = tuple[SageMakerServing, Stubber]


def plan(strategy: Strategy, bake_s: int = 300) -> Plan:
    return Plan(strategy, 4, 10, 60, bake_s, "")


@pytest.mark.parametrize(
    ("code", "message", "status", "error"),
    [
        pytest.param("ValidationException", IN_PROGRESS, 400, EndpointBusyError, id="somebody else's update"),
        pytest.param("ValidationException", MISSING, 400, ServiceUnavailableError, id="not visible yet"),
        pytest.param("ValidationException", THERE_ALREADY, 400, EndpointBusyError, id="made meanwhile"),
        pytest.param("ResourceLimitExceeded", "quota of 0 instances", 400, RolloutFailedError, id="no quota"),
        pytest.param("AccessDeniedException", "not authorized", 403, AccessDeniedError, id="no right"),
        pytest.param("ThrottlingException", "Rate exceeded", 400, ServiceUnavailableError, id="throttled"),
        pytest.param("Anything", "internal", 503, ServiceUnavailableError, id="a failure on AWS's side"),
    ],
)
def test_a_refusal_to_create_is_told_apart_by_its_message(
    sagemaker: Stubbed, code: str, message: str, status: int, error: type[Exception]
) -> None:
    serving, stub = sagemaker
    stub.add_client_error("create_endpoint", code, message, http_status_code=status)

    with pytest.raises(error, match=r"slipway-chat"):
        serving.create_endpoint("slipway-chat", "green")


def test_an_endpoint_that_does_not_exist_is_no_error(sagemaker: Stubbed) -> None:
    serving, stub = sagemaker
    stub.add_client_error("describe_endpoint", "ValidationException", MISSING)
    stub.add_client_error("delete_endpoint", "ValidationException", MISSING)

    assert serving.describe("slipway-chat") is None
    serving.delete_endpoint("slipway-chat")


def test_a_description_that_is_denied_is_not_taken_for_a_missing_endpoint(sagemaker: Stubbed) -> None:
    serving, stub = sagemaker
    stub.add_client_error("describe_endpoint", "AccessDeniedException", "not authorized", http_status_code=403)

    with pytest.raises(Exception, match="AccessDenied"):
        serving.describe("slipway-chat")


def test_a_description_tells_what_is_pending_and_whether_green_bakes(sagemaker: Stubbed) -> None:
    serving, stub = sagemaker
    variant = {
        "VariantName": "AllTraffic",
        "CurrentInstanceCount": 0,
        "DesiredInstanceCount": 2,
        "DeployedImages": [{"SpecifiedImage": "r:tag", "ResolvedImage": IMAGE}],
    }
    pending = {"VariantName": "AllTraffic", "VariantStatus": [{"Status": "Baking"}]}
    stub.add_response(
        "describe_endpoint",
        {
            "EndpointName": "slipway-chat",
            "EndpointArn": ARN,
            "EndpointConfigName": "blue",
            "EndpointStatus": "Updating",
            "CreationTime": NOW,
            "LastModifiedTime": NOW,
            "ProductionVariants": [variant],
            "PendingDeploymentSummary": {"EndpointConfigName": "green", "ProductionVariants": [pending]},
        },
    )

    state = serving.describe("slipway-chat")

    assert state is not None
    assert (state.config_name, state.pending_config, state.baking) == ("blue", "green", True)
    assert (state.fleet_size, state.image, state.failure) == (2, IMAGE, "")


CONTAINER = {
    "Image": IMAGE,
    "ModelDataSource": {
        "S3DataSource": {"S3Uri": "s3://b/published/x/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    },
    "Environment": {"SLIPWAY_RELEASE_ID": "r"},
}


@pytest.mark.parametrize("image", [IMAGE, "another"])
def test_a_model_of_the_same_name_must_be_the_same_model(sagemaker: Stubbed, image: str) -> None:
    serving, stub = sagemaker
    wanted = {"ModelName": "m", "PrimaryContainer": CONTAINER, "ExecutionRoleArn": ROLE}
    stub.add_client_error("create_model", "ValidationException", THERE_ALREADY, expected_params=wanted)
    found = {**CONTAINER, "Image": image, "Mode": "SingleModel"}
    answer = {
        "ModelName": "m",
        "PrimaryContainer": found,
        "CreationTime": NOW,
        "ModelArn": "arn:aws:sagemaker:x:1:model/m",
    }
    stub.add_response("describe_model", answer)

    def ensure() -> None:
        serving.ensure_model(
            "m",
            image=IMAGE,
            data_uri="s3://b/published/x/",
            environment={"SLIPWAY_RELEASE_ID": "r"},
            execution_role_arn=ROLE,
        )

    if image == IMAGE:
        ensure()
    else:
        with pytest.raises(RolloutFailedError, match="model m exists with another Image"):
            ensure()


def test_a_config_of_the_same_name_must_be_the_same_config(sagemaker: Stubbed) -> None:
    serving, stub = sagemaker
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "m",
        "InstanceType": "ml.g5.4xlarge",
        "InitialInstanceCount": 2,
    }
    stub.add_client_error("create_endpoint_config", "ValidationException", THERE_ALREADY)
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/m"
    config = {"EndpointConfigName": "m", "EndpointConfigArn": arn, "ProductionVariants": [variant], "CreationTime": NOW}
    stub.add_response("describe_endpoint_config", config)

    with pytest.raises(RolloutFailedError, match="InitialInstanceCount"):
        serving.ensure_config("m", Hosting(("ml.g5.4xlarge",), 1, 600))


def test_more_types_than_one_are_pools_in_order_of_preference(sagemaker: Stubbed) -> None:
    """SageMaker API reference, InstancePool: priorities from 1, the lowest first, and no InstanceType beside them."""
    serving, stub = sagemaker
    pools = [{"InstanceType": "ml.g5.4xlarge", "Priority": 1}, {"InstanceType": "ml.g6.4xlarge", "Priority": 2}]
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "m",
        "InstancePools": pools,
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
        "VariantInstanceProvisionTimeoutInSeconds": 1800,
        "ModelDataDownloadTimeoutInSeconds": 600,
        "ContainerStartupHealthCheckTimeoutInSeconds": 600,
    }
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/m"
    wanted = {"EndpointConfigName": "m", "ProductionVariants": [variant]}
    stub.add_response("create_endpoint_config", {"EndpointConfigArn": arn}, wanted)

    serving.ensure_config("m", Hosting(("ml.g5.4xlarge", "ml.g6.4xlarge"), 1, 600))


def test_patience_and_enhanced_metrics_are_asked_for_in_sagemaker_s_words(sagemaker: Stubbed) -> None:
    """SageMaker API reference, ProductionVariant and MetricsConfig: invocations every 10 s, if they are enhanced."""
    serving, stub = sagemaker
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "m",
        "InstanceType": "ml.g5.4xlarge",
        "InitialInstanceCount": 2,
        "InitialVariantWeight": 1.0,
        "VariantInstanceProvisionTimeoutInSeconds": 3600,
        "ModelDataDownloadTimeoutInSeconds": 1200,
        "ContainerStartupHealthCheckTimeoutInSeconds": 1200,
    }
    metrics = {"EnableEnhancedMetrics": True, "MetricPublishFrequencyInSeconds": 10}
    wanted = {"EndpointConfigName": "m-pf", "ProductionVariants": [variant], "MetricsConfig": metrics}
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/m-pf"
    stub.add_response("create_endpoint_config", {"EndpointConfigArn": arn}, wanted)

    serving.ensure_config("m-pf", Hosting(("ml.g5.4xlarge",), 2, 1200, 3600, enhanced_metrics=True), model="m")


@pytest.mark.parametrize(
    ("strategy", "policy"),
    [
        pytest.param(
            Strategy.ALL_AT_ONCE,
            {
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 300},
                    "TerminationWaitInSeconds": 0,
                    "MaximumExecutionTimeoutInSeconds": 4000,
                }
            },
            id="one shift, and its bake",
        ),
        pytest.param(
            Strategy.CANARY,
            {
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": {
                        "Type": "CANARY",
                        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
                        "WaitIntervalInSeconds": 60,
                    },
                    "TerminationWaitInSeconds": 240,
                    "MaximumExecutionTimeoutInSeconds": 4000,
                }
            },
            id="a tenth first, blue kept for the whole bake",
        ),
        pytest.param(
            Strategy.LINEAR,
            {
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": {
                        "Type": "LINEAR",
                        "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 10},
                        "WaitIntervalInSeconds": 60,
                    },
                    "TerminationWaitInSeconds": 240,
                    "MaximumExecutionTimeoutInSeconds": 4000,
                }
            },
            id="tenth by tenth",
        ),
        pytest.param(
            Strategy.ROLLING,
            {
                "RollingUpdatePolicy": {
                    "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 10},
                    "WaitIntervalInSeconds": 60,
                    "MaximumExecutionTimeoutInSeconds": 4000,
                }
            },
            id="batch by batch",
        ),
    ],
)
def test_an_update_carries_the_plan_and_every_alarm(sagemaker: Stubbed, strategy: Strategy, policy: Any) -> None:
    serving, stub = sagemaker
    guarded = policy | {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "guard"}, {"AlarmName": "abort"}]}}
    wanted = {
        "EndpointName": "slipway-chat",
        "EndpointConfigName": "green",
        "RetainAllVariantProperties": True,
        "DeploymentConfig": guarded,
    }
    stub.add_response("update_endpoint", {"EndpointArn": ARN}, wanted)

    serving.update_endpoint(
        "slipway-chat", "green", plan=plan(strategy), alarms=["guard", "abort"], max_execution_s=4000
    )

    assert deployment_config(plan(strategy), ["guard", "abort"], 4000) == guarded


def test_a_bake_shorter_than_the_last_step_s_wait_needs_no_more() -> None:
    config = deployment_config(plan(Strategy.CANARY, bake_s=10), ["guard"], 600)

    assert config["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] == 0
