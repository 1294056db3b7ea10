"""What an update does while people use the endpoint, and when green is no good."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.sagemaker.deployments.guard import Guard
from tests.integration.sagemaker.conftest import Aws


def test_no_request_fails_while_one_release_replaces_another(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    over, answers = threading.Event(), []

    def talk(_: int) -> None:
        while not over.is_set():
            answers.append(aws.invoke()["Body"].read())

    with ThreadPoolExecutor(4) as pool:
        talks = [pool.submit(talk, number) for number in range(4)]
        aws.until(lambda: b"one: 4 bytes" in answers)
        aws.update(aws.config("two"))
        assert aws.settled()["EndpointConfigName"] == "two"
        aws.until(lambda: answers[-1] == b"two: 4 bytes")
        over.set()

    assert [talk_.exception() for talk_ in talks] == [None] * 4
    assert set(answers) == {b"one: 4 bytes", b"two: 4 bytes"}


def test_a_request_in_flight_on_blue_finishes(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))

    with ThreadPoolExecutor(1) as pool:
        streaming = pool.submit(aws.stream, "stream 40")
        aws.until(aws.in_flight)
        aws.update(aws.config("two"))
        aws.settled()
        parts = streaming.result()

    assert len(parts) == 40


def test_an_update_shows_its_stages_and_keeps_the_old_config_until_blue_is_gone(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    aws.update(aws.config("two"), wait_s=3600)
    aws.until(aws.baking)

    during, serving = aws.describe(), aws.instances()
    aws.skip(3600)

    assert during["EndpointStatus"] == "Updating"
    assert during["EndpointConfigName"] == "one"
    assert during["PendingDeploymentSummary"]["EndpointConfigName"] == "two"
    assert serving == 2
    assert aws.settled()["EndpointConfigName"] == "two"
    assert aws.instances() == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"PING_STATUS": "503"}, id="its ping never says 200"),
        pytest.param({"START": "exit"}, id="its container exits at once"),
    ],
)
def test_a_green_that_never_becomes_healthy_leaves_the_old_release_serving(aws: Aws, fault: dict[str, str]) -> None:
    aws.endpoint(aws.config("one"))

    aws.impatient_with_containers()
    aws.update(aws.config("two", 1, "s3://models/chat/", **fault))

    after = aws.settled()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "one")
    assert "did not pass the ping health check" in after["FailureReason"]
    assert aws.invoke()["Body"].read() == b"one: 4 bytes"
    assert aws.instances() == 1


def test_a_first_release_that_never_becomes_healthy_fails_and_can_only_be_deleted(aws: Aws) -> None:
    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName=aws.config("one", START="exit"))

    after = aws.settled()
    assert after["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in after["FailureReason"]
    with pytest.raises(aws.sagemaker.exceptions.ClientError, match="Failed"):
        aws.sagemaker.update_endpoint(EndpointName="chat", EndpointConfigName=aws.config("two"))
    aws.sagemaker.delete_endpoint(EndpointName="chat")
    aws.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="chat", WaiterConfig={"Delay": 0, "MaxAttempts": 50})


def test_an_alarm_during_the_bake_rolls_back_and_the_waiter_calls_it_success(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    alarm = aws.alarm("guard")
    aws.update(aws.config("two"), wait_s=3600, alarm=alarm)
    aws.until(aws.baking)
    assert aws.invoke()["Body"].read() == b"two: 4 bytes"

    aws.alarm("guard", "ALARM")
    aws.settled()
    aws.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="chat")

    after = aws.describe()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "one")
    assert "guard" in after["FailureReason"]
    assert aws.invoke()["Body"].read() == b"one: 4 bytes"
    assert aws.instances() == 1


@pytest.mark.parametrize("alarm", ["tripped", "absent"])
def test_an_update_whose_alarm_is_not_ok_never_moves_traffic(aws: Aws, alarm: str) -> None:
    aws.alarm("tripped", "ALARM")
    aws.endpoint(aws.config("one"))

    aws.update(aws.config("two"), alarm=alarm)

    after = aws.settled()
    assert after["EndpointConfigName"] == "one"
    assert alarm in after["FailureReason"]
    assert "before the deployment began" in after["FailureReason"]


def test_a_canary_gets_its_share_before_it_gets_everything(aws: Aws) -> None:
    aws.endpoint(aws.config("one", instances=2))
    size = {"Type": "INSTANCE_COUNT", "Value": 1}
    aws.update(aws.config("two", instances=2), wait_s=3600, Type="CANARY", CanarySize=size)
    aws.until(aws.baking)

    of_both = {aws.invoke()["Body"].read() for _ in range(40)}
    aws.skip(3600)
    aws.until(lambda: len(aws.twin._registry.endpoints.get("chat").traffic) == 1)
    of_green = {aws.invoke()["Body"].read() for _ in range(10)}

    # Each fleet gets half: one of them stays silent in 40 requests once in 2**39 runs.
    assert of_both == {b"one: 4 bytes", b"two: 4 bytes"}
    assert of_green == {b"two: 4 bytes"}
    assert aws.describe()["EndpointStatus"] == "Updating"
    aws.skip(3600)
    assert aws.settled()["EndpointConfigName"] == "two"


def test_a_deployment_ends_with_its_time_limit(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    policy = {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 3600},
        "MaximumExecutionTimeoutInSeconds": 3601,
    }
    aws.sagemaker.update_endpoint(
        EndpointName="chat", EndpointConfigName=aws.config("two"), DeploymentConfig={"BlueGreenUpdatePolicy": policy}
    )
    aws.until(aws.baking)

    aws.skip(3602)

    after = aws.settled()
    assert after["EndpointConfigName"] == "one"
    assert "MaximumExecutionTimeoutInSeconds (3601 s)" in after["FailureReason"]


def test_a_deployment_that_breaks_under_way_gives_blue_its_traffic_back(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.endpoint(aws.config("old"))

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug of the embedded AWS")

    monkeypatch.setattr(Guard, "bake", broken)
    aws.update(aws.config("new"), wait_s=60)
    settled = aws.settled()

    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", "old")
    assert "InternalFailure" in settled["FailureReason"]
    assert {aws.invoke()["Body"].read() for _ in range(5)} == {b"old: 4 bytes"}
    assert aws.instances() == 1, "green is gone"
