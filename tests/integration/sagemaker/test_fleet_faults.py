"""Instances that fail on purpose: what their users see, and what the fleet does about it."""

import json

import pytest
from botocore.exceptions import ClientError

from local.faults import FleetFailure, FleetFault
from local.sagemaker.fleets import instance
from local.sagemaker.fleets.instance import Limits
from tests.integration.sagemaker.conftest import Aws

GPU = "ml.g5.4xlarge"


def break_instances(aws: Aws, failure: FleetFailure, *, times: int | None = 1, delay_s: float = 0.0) -> None:
    aws.world.faults.set(FleetFault(times, failure=failure, delay_s=delay_s, endpoint="chat", instance_type=GPU))


def model_error(aws: Aws, body: str = "echo") -> dict[str, object]:
    with pytest.raises(ClientError) as caught:
        aws.invoke(body)
    assert caught.value.response["Error"]["Code"] == "ModelError"
    return {**caught.value.response}


@pytest.mark.parametrize("failure", [FleetFailure.FAILS_TO_START, FleetFailure.NEVER_HEALTHY])
def test_a_container_that_does_not_come_up_fails_a_good_image(aws: Aws, failure: FleetFailure) -> None:
    aws.impatient_with_containers()
    break_instances(aws, failure)

    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName=aws.config("one"))

    failed = aws.settled()
    assert failed["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in failed["FailureReason"]
    assert (aws.instances(), aws.twin.capacity.taken(GPU)) == (0, 0)


def test_without_capacity_nothing_starts_and_aws_words_are_the_reason(aws: Aws) -> None:
    aws.twin.capacity.limit(GPU, 2)

    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName=aws.config("one", instances=3))

    failed = aws.settled()
    assert failed["EndpointStatus"] == "Failed"
    # Source: aws/deep-learning-containers#6673 quotes the sentence from a real account.
    assert failed["FailureReason"].startswith(
        "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."
    )
    assert list((aws.world.state_dir / "instances").glob("*")) == []
    assert aws.twin.capacity.taken(GPU) == 0


def test_instances_come_back_to_aws_when_they_leave(aws: Aws) -> None:
    aws.endpoint(aws.config("one", instances=2))
    assert aws.twin.capacity.taken(GPU) == 2

    aws.sagemaker.update_endpoint(EndpointName="chat", EndpointConfigName=aws.config("two"))
    aws.settled()

    assert aws.twin.capacity.taken(GPU) == 1


@pytest.mark.parametrize("limits", [Limits(provision_s=3600, kill_after_s=2)], ids=["an hour to be up"])
def test_instances_take_their_time_to_be_up(aws: Aws) -> None:
    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName=aws.config("one"))
    aws.until(lambda: aws.twin.capacity.taken(GPU) == 1)

    waiting, processes = aws.describe()["EndpointStatus"], aws.instances()
    aws.skip(3600)

    assert (waiting, processes) == ("Creating", 0)
    assert aws.settled()["EndpointStatus"] == "InService"


@pytest.mark.parametrize("time_scale", [1e6], ids=["an hour is over in 4 ms"])
@pytest.mark.parametrize("limits", [Limits(download_at_least_s=0, kill_after_s=2)], ids=["and no less"])
def test_a_download_that_takes_too_long_fails_the_start(aws: Aws) -> None:
    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName=aws.config("one"))

    failed = aws.settled()

    assert failed["EndpointStatus"] == "Failed"
    assert 'Failed to download model data for container "container_1"' in failed["FailureReason"]
    assert "s of ModelDataDownloadTimeoutInSeconds" in failed["FailureReason"]
    assert list((aws.world.state_dir / "instances").glob("*")) == []


def test_an_error_is_one_of_the_model(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    break_instances(aws, FleetFailure.ERRORS)

    assert model_error(aws)["OriginalStatusCode"] == 500
    assert aws.invoke()["Body"].read() == b"one: 4 bytes"


def test_nonsense_is_a_success_to_sagemaker(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    break_instances(aws, FleetFailure.NONSENSE)

    answer = aws.invoke()

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    with pytest.raises(ValueError, match="codec can't decode"):
        json.loads(answer["Body"].read())


def test_an_answer_that_begins_late_is_still_whole(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    break_instances(aws, FleetFailure.SLOW, delay_s=60)

    assert aws.invoke()["Body"].read() == b"one: 4 bytes"
    assert aws.world.faults.all()["fault-1"][1] == 1, "it struck"


def test_an_answer_that_begins_too_late_is_a_time_out(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    break_instances(aws, FleetFailure.SLOW, delay_s=3600)

    said = model_error(aws)

    assert said["OriginalStatusCode"] == 0
    assert "timed out while waiting for a response from container primary" in str(said["OriginalMessage"])


def test_a_crash_fails_its_own_request_alone_and_the_instance_is_replaced(aws: Aws) -> None:
    aws.endpoint(aws.config("one", instances=2))
    pids = {aws.facts()["pid"] for _ in range(20)}
    break_instances(aws, FleetFailure.CRASHES)

    said = model_error(aws)
    afterwards = [aws.invoke()["Body"].read() for _ in range(20)]

    assert said["OriginalStatusCode"] == 0
    assert afterwards == [b"one: 4 bytes"] * 20
    aws.until(lambda: aws.describe()["ProductionVariants"][0]["CurrentInstanceCount"] == 2)
    aws.until(lambda: len({aws.facts()["pid"] for _ in range(20)} - pids) == 1)
    assert aws.twin.capacity.taken(GPU) == 2


@pytest.mark.parametrize(
    "limits", [Limits(invocation_s=0.5, ping_every_s=0.05, kill_after_s=0.5)], ids=["nobody is patient"]
)
def test_a_container_that_hangs_is_replaced(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "PING_TIMEOUT_S", 0.5)  # five of the real 2 s are long
    aws.endpoint(aws.config("one"))
    hung = aws.facts()["pid"]
    break_instances(aws, FleetFailure.HANGS)

    said = model_error(aws)

    assert "timed out" in str(said["OriginalMessage"])
    aws.until(lambda: aws.describe()["ProductionVariants"][0]["CurrentInstanceCount"] == 0, within_s=30)
    aws.until(lambda: aws.describe()["ProductionVariants"][0]["CurrentInstanceCount"] == 1)
    assert aws.facts()["pid"] != hung
    aws.until(lambda: aws.instances() == 1)


def test_an_instance_that_refuses_gets_no_request_while_another_can_take_it(aws: Aws) -> None:
    """Its process lives, so nobody replaces it at once: only that it refuses keeps requests from it."""
    aws.endpoint(aws.config("one", instances=2))
    (share,) = aws.twin._registry.endpoints.get("chat").traffic
    deaf, _ = share.fleet.variants["AllTraffic"].instances
    listening, deaf.port = deaf.port, 9  # nobody listens on the discard port

    answers = [aws.invoke()["Body"].read() for _ in range(20)]
    refused = deaf.healthy
    deaf.port = listening

    assert answers == [b"one: 4 bytes"] * 20
    assert not refused
    aws.until(lambda: deaf.healthy)


def test_what_a_container_says_is_in_cloudwatch_logs(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    (folder,) = (aws.world.state_dir / "instances").iterdir()
    where = {"logGroupName": "/aws/sagemaker/Endpoints/chat", "logStreamName": f"AllTraffic/{folder.name}"}
    logs = aws.account.client("logs")

    def said() -> list[str]:
        try:
            return [event["message"] for event in logs.get_log_events(**where)["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    aws.until(said)
    assert said() == ["one begins"]
