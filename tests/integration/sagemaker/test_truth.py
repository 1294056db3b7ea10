"""A silent rollback fools the client's own waiter; the config's name does not lie."""

import pytest

from local.sagemaker.behaviour import Behaviour
from release.adapters.serving import SageMakerServing
from release.domain.truth import Progress, look
from tests.integration.sagemaker.conftest import Aws


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(Behaviour(rollback_says_why=True), id="with a reason"),
        pytest.param(Behaviour(rollback_says_why=False), id="without a reason"),
    ],
)
def test_the_waiter_calls_a_rollback_a_success_and_our_truth_check_does_not(aws: Aws) -> None:
    """Source: botocore's waiters for SageMaker: EndpointInService looks at EndpointStatus alone."""
    aws.endpoint(aws.config("one"))
    aws.update(aws.config("two"), wait_s=3600, alarm=aws.alarm("guard"))
    aws.until(aws.baking)

    aws.alarm("guard", "ALARM")
    aws.settled()
    aws.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="chat", WaiterConfig={"MaxAttempts": 1})
    seen = look(SageMakerServing(aws.sagemaker).describe("chat"), "two")

    assert seen.progress is Progress.LOST
    assert "InService on one, not on two" in seen.reason


def test_the_waiter_gives_up_on_a_mix_and_our_truth_check_names_it(aws: Aws) -> None:
    aws.endpoint(aws.config("one", instances=2))
    rolling = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 3600}
    guard = {"Alarms": [{"AlarmName": aws.alarm("guard")}]}
    aws.sagemaker.update_endpoint(
        EndpointName="chat",
        EndpointConfigName=aws.config("two", instances=2),
        DeploymentConfig={"RollingUpdatePolicy": rolling, "AutoRollbackConfiguration": guard},
    )
    aws.until(aws.baking)
    aws.skip(3600)
    aws.until(lambda: {s.fleet.config_name for s in aws.twin._registry.endpoints.get("chat").traffic} == {"two"})
    aws.twin.capacity.limit("ml.g5.4xlarge", 0)

    aws.alarm("guard", "ALARM")

    after = aws.settled()
    assert after["EndpointStatus"] == "UpdateRollbackFailed"
    assert {aws.invoke()["Body"].read() for _ in range(40)} == {b"one: 4 bytes", b"two: 4 bytes"}
    seen = look(SageMakerServing(aws.sagemaker).describe("chat"), "two")
    assert seen.progress is Progress.LOST
    assert "UpdateRollbackFailed" in seen.reason
