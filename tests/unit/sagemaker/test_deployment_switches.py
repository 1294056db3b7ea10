"""What AWS does not document about deployments, each with both of its answers."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.sagemaker.behaviour import AlarmsAtStart
from local.sagemaker.deployments.guard import ALARM_POLL_AT_LEAST_S
from tests.fakes.twin import Twin

GUARD = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "guard"}]}}


def all_at_once(wait_s: int = 0, **policy: Any) -> dict[str, Any]:
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": wait_s}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, **policy}, **GUARD}


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Callable[..., Twin]]:
    """A twin of this behaviour with the endpoint `chat` on `old`, an alarm that is OK and the config `new`."""
    twins = []

    def start(**behaviour: Any) -> Twin:
        twin = Twin(tmp_path, scale=1000, **behaviour)
        twins.append(twin)
        twin.world.alarms["guard"] = "OK"
        twin.endpoint(twin.config("old", v=2))
        twin.config("new", v=2)
        return twin

    yield start
    for twin in twins:
        twin.stop()
        assert not twin.launcher.alive


def no_alarm(twin: Twin) -> None:
    twin.world.alarms.clear()


def tripped_alarm(twin: Twin) -> None:
    twin.world.alarms["guard"] = "ALARM"


def unreadable_alarm(twin: Twin) -> None:
    twin.world.may_read_alarms = False


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(no_alarm, "['guard'] did not exist", id="missing"),
        pytest.param(tripped_alarm, "were in ALARM state", id="tripped"),
        pytest.param(unreadable_alarm, "not authorized to perform cloudwatch:DescribeAlarms", id="denied to the role"),
    ],
)
@pytest.mark.parametrize("answer", AlarmsAtStart)
def test_an_alarm_that_is_not_ok_at_the_start(
    given: Callable[..., Twin], spoil: Callable[[Twin], None], said: str, answer: AlarmsAtStart
) -> None:
    """The guide demands cloudwatch:DescribeAlarms of the execution role, and says nothing of when it is used."""
    twin = given(alarms_at_start=answer)
    spoil(twin)
    call = {"EndpointName": "chat", "EndpointConfigName": "new", "DeploymentConfig": all_at_once(60)}

    if answer is AlarmsAtStart.REFUSE:
        assert said in twin.refusal("UpdateEndpoint", **call)
        assert twin.describe()["EndpointStatus"] == "InService"
        return
    twin.call("UpdateEndpoint", **call)

    after = twin.settled()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "old")
    assert said in after["FailureReason"]
    assert not [detail for _, detail in twin.events if "ActivatingTraffic" in str(detail)], "traffic never moved"


@pytest.mark.parametrize(("counts", "serves"), [(True, "old"), (False, "new")])
def test_an_alarm_while_blue_waits_for_its_termination(
    given: Callable[..., Twin], *, counts: bool, serves: str
) -> None:
    twin = given(alarms_count_while_blue_waits=counts)
    twin.update("new", all_at_once(TerminationWaitInSeconds=600))
    twin.until(lambda: "(TerminationWaitInSeconds)" in twin.stage()[1])
    assert twin.shares() == {"new": 1.0}
    assert len(twin.launcher.alive) == 4, "blue stands"

    tripped_alarm(twin)

    assert twin.settled()["EndpointConfigName"] == serves


@pytest.mark.parametrize("counts", [True, False])
def test_an_alarm_while_green_is_provisioned(
    given: Callable[..., Twin], monkeypatch: pytest.MonkeyPatch, *, counts: bool
) -> None:
    twin = given(alarms_count_while_provisioning=counts)
    provision = twin.launcher.provision
    launched: list[str] = []

    def slow(endpoint: str, config: str, variant: Any, count: int, interrupt: Callable[[], None]) -> Any:
        tripped_alarm(twin)
        for _ in range(20):
            time.sleep(2 * ALARM_POLL_AT_LEAST_S / 20)
            interrupt()
        launched.append(config)
        return provision(endpoint, config, variant, count, interrupt)

    monkeypatch.setattr(twin.launcher, "provision", slow)

    twin.update("new", all_at_once(60))

    after = twin.settled()
    assert after["EndpointConfigName"] == "old"
    assert launched == ([] if counts else ["new"])
    assert ("during the deployment" if counts else "before traffic moved") in after["FailureReason"]


@pytest.mark.parametrize("counts", [True, False])
def test_composite_alarms(given: Callable[..., Twin], *, counts: bool) -> None:
    twin = given(composite_alarms_count=counts)
    twin.world.composite["guard"] = twin.world.alarms.pop("guard")

    twin.update("new", all_at_once(60))

    after = twin.settled()
    assert after["EndpointConfigName"] == ("new" if counts else "old")
    assert counts or "did not exist" in after["FailureReason"]


@pytest.mark.parametrize("says", [True, False])
def test_a_rollback_is_silent_or_says_why_until_the_next_update(given: Callable[..., Twin], *, says: bool) -> None:
    """Sources: terraform-provider-aws#39099 and the ACK controller's PR #7 saw a reason that the next update removes,
    terraform-provider-aws#48997 an empty one."""
    twin = given(rollback_says_why=says)
    tripped_alarm(twin)
    twin.update("new", all_at_once(60))

    after = twin.settled()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "old")
    assert ("FailureReason" in after) is says
    twin.world.alarms["guard"] = "OK"
    twin.update("new", all_at_once(3600))
    assert "FailureReason" not in twin.describe()


@pytest.mark.parametrize("forgets", [True, False])
def test_the_last_policy_after_an_update_without_one(given: Callable[..., Twin], *, forgets: bool) -> None:
    twin = given(plain_update_forgets_policy=forgets)
    twin.update("new", all_at_once())
    assert twin.settled()["LastDeploymentConfig"] == all_at_once()

    twin.update("old")

    assert ("LastDeploymentConfig" not in twin.settled()) is forgets


def test_a_retained_policy_is_used_again(given: Callable[..., Twin]) -> None:
    """Source: RetainDeploymentConfig in UpdateEndpoint's reference."""
    twin = given()
    twin.update("new", all_at_once())
    twin.settled()
    tripped_alarm(twin)

    twin.update("old", RetainDeploymentConfig=True)

    after = twin.settled()
    assert after["EndpointConfigName"] == "new", "the alarm of the retained policy spoke"
    assert after["LastDeploymentConfig"] == all_at_once()


@pytest.mark.parametrize("may_fail", [True, False])
def test_a_blue_that_is_lost_while_green_bakes(
    given: Callable[..., Twin], monkeypatch: pytest.MonkeyPatch, *, may_fail: bool
) -> None:
    """UpdateRollbackFailed is documented for rolling deployments alone."""
    twin = given(blue_green_may_fail_to_return=may_fail)
    monkeypatch.setattr("local.sagemaker.fleets.fleet.CRASH_POLL_S", 0.01)
    twin.update("new", all_at_once(3600))
    twin.until(lambda: twin.stage()[0] == "Baking")
    twin.twin.capacity.limit("ml.g5.4xlarge", 0)
    twin.crash("old")
    twin.until(lambda: not any(v.healthy() for v in twin.record().variants().values()))

    tripped_alarm(twin)

    after = twin.settled()
    assert after["EndpointStatus"] == ("UpdateRollbackFailed" if may_fail else "InService")
    assert after["EndpointConfigName"] == "old"
    assert twin.serving().get("new") == (2 if may_fail else None)


@pytest.mark.parametrize("times", [1, 3])
def test_a_change_is_told_once_or_several_times(given: Callable[..., Twin], times: int) -> None:
    """Source: the guide's page on events: SageMaker may send multiple events for each state change."""
    twin = given(events_per_change=times)

    creating = [detail for kind, detail in twin.events if detail["EndpointStatus"] == "CREATING"]

    assert len(creating) == times
    assert all(detail == creating[0] for detail in creating)


def test_inf1_instances_fall_back_to_all_at_once_without_a_bake(given: Callable[..., Twin]) -> None:
    """Source: the developer guide, deployment guardrails, exclusions."""
    twin = given()
    tripped_alarm(twin)

    twin.update(twin.config("inferentia", "ml.inf1.xlarge", v=2), all_at_once(3600))

    after = twin.settled()
    assert after["EndpointConfigName"] == "inferentia"
    assert "LastDeploymentConfig" not in after
