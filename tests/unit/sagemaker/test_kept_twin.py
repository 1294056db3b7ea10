"""What a restart with kept state makes of endpoints: what served serves again, and what failed stays failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.faults import EndpointFailure, EndpointFault
from local.sagemaker.deployments.admission import Operation
from tests.fakes.twin import Twin

ROLLING = {
    "RollingUpdatePolicy": {
        "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
        "WaitIntervalInSeconds": 600,
    },
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "guard"}]},
}


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Twin]:
    twin = Twin(tmp_path / "before")
    twin.world.alarms = {"guard": "OK"}
    twin.config("old", v=4)
    twin.config("new", v=4)
    yield twin
    twin.stop()


@pytest.fixture
def after(tmp_path: Path) -> Iterator[Twin]:
    twin = Twin(tmp_path / "after")
    twin.call("DeleteModel", ModelName="m")  # the kept one comes in its place
    twin.twin._state._launcher = twin.launcher
    yield twin
    twin.stop()


def restart(before: Twin, after: Twin) -> None:
    after.twin._state.restore(before.twin._state.keep())
    after.twin.resume()


def roll_back_after_a_batch(twin: Twin) -> None:
    twin.endpoint("old")
    twin.world.alarms = {"guard": "OK"}
    twin.update("new", ROLLING)
    twin.until(lambda: twin.stage()[0] == "Baking")
    twin.world.alarms = {"guard": "ALARM"}


def test_an_endpoint_that_failed_in_an_update_serves_nothing(before: Twin, after: Twin) -> None:
    before.world.faults.set(EndpointFault(times=1, failure=EndpointFailure.UPDATE_FAILS))
    roll_back_after_a_batch(before)
    assert before.settled()["EndpointStatus"] == "Failed"

    restart(before, after)

    assert after.describe()["EndpointStatus"] == "Failed"
    assert after.describe()["FailureReason"] == before.describe()["FailureReason"]
    assert not after.launcher.alive


def test_a_mix_of_configs_comes_back_as_the_old_one_with_all_instances(before: Twin, after: Twin) -> None:
    before.world.faults.set(EndpointFault(times=1, failure=EndpointFailure.ROLLBACK_FAILS))
    roll_back_after_a_batch(before)
    assert before.settled()["EndpointStatus"] == "UpdateRollbackFailed"

    restart(before, after)

    assert after.describe()["EndpointStatus"] == "InService"
    assert after.serving() == {"old": 4}


def test_nothing_is_left_of_an_endpoint_that_was_being_deleted(before: Twin, after: Twin) -> None:
    record = before.endpoint("old")
    before.call("AddTags", ResourceArn=record.arn, Tags=[{"Key": "team", "Value": "release"}])
    with record.lock:  # its deletion begins, and the twin ends before it is over
        before.deployer.admit(record, Operation.DELETE)
        before.deployer._journal(record).begin(type(record.status).DELETING)

    restart(before, after)
    after.endpoint("new")

    assert after.call("ListTags", ResourceArn=record.arn)["Tags"] == []
