"""What the adapters of events, metrics, alarms and waiting executions ask AWS for."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY
from jsonschema import Draft202012Validator

from release.adapters.alarms import CloudWatchAlarms
from release.adapters.events import EventBridgeEvents
from release.adapters.metrics import CloudWatchMetrics
from release.adapters.waiters import StepFunctionsWaiters
from release.domain.phases import Phase
from release.errors import ServiceUnavailableError
from tests.builders.aws import stubbed
from tests.builders.records import rollout

EVENTS = Path(__file__).parents[3] / "events"
JUDGED = json.loads((EVENTS / "table/rollout.judged.example.json").read_text(encoding="utf-8"))
PLANNED = json.loads((EVENTS / "table/rollout.planned.example.json").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "phase", [pytest.param(Phase.BAKING, id="on its way"), pytest.param(Phase.LIVE, id="the end, with all of it")]
)
def test_a_phase_is_told_in_the_words_of_the_contract(phase: Phase) -> None:
    client, stub = stubbed("events")
    detail: dict[str, Any] = {}

    class Detail:
        """Equal to any detail that keeps the contract's schema; keeps it for the test."""

        def __eq__(self, other: object) -> bool:
            detail.update(json.loads(str(other)))
            return True

        __hash__ = None  # type: ignore[assignment]  # only compared

    judged = rollout(plan=PLANNED["plan"], gates=JUDGED["gates"])
    entry = {"Source": "slipway", "DetailType": "Rollout Phase Changed", "Detail": Detail()}
    stub.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}, {"Entries": [entry]})

    EventBridgeEvents(client, stack="slipway").phase_changed(judged, phase, "green serves")

    law = json.loads((EVENTS / "release/phase-changed.schema.json").read_text())["properties"]["detail"]
    Draft202012Validator(law).validate(detail)
    assert (detail["phase"], detail["reason"], detail["stack"]) == (phase, "green serves", "slipway")
    assert (detail.get("estimate") == PLANNED["plan"]["estimate"]) is (phase is Phase.LIVE)
    assert (detail.get("gates") == JUDGED["gates"]) is (phase is Phase.LIVE)


def test_an_event_that_eventbridge_did_not_take_is_worth_a_retry() -> None:
    client, stub = stubbed("events")
    refused = {"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"}
    stub.add_response("put_events", {"FailedEntryCount": 1, "Entries": [refused]}, {"Entries": ANY})

    with pytest.raises(ServiceUnavailableError, match="ThrottlingException: Rate exceeded; try again"):
        EventBridgeEvents(client, stack="slipway").phase_changed(rollout(), Phase.BAKING, "green serves")


def test_the_alarms_find_a_heartbeat_and_no_wish_to_abort_in_the_periods_just_past() -> None:
    client, stub = stubbed("cloudwatch")

    def datum(name: str, value: float, **at: datetime) -> dict[str, Any]:
        dimensions = [{"Name": "Rollout", "Value": "r-1"}]
        return {"MetricName": name, "Dimensions": dimensions, "Value": value, "StorageResolution": 1, **at}

    instants = [NOW - timedelta(seconds=seconds) for seconds in (0, 10, 20)]
    seeds = [
        *(datum("JudgeHeartbeat", 1, Timestamp=at) for at in instants),
        *(datum("AbortRequested", 0, Timestamp=at) for at in instants),
    ]
    for data in (seeds, [datum("JudgeHeartbeat", 1)], [datum("AbortRequested", 1)]):
        stub.add_response("put_metric_data", {}, {"Namespace": "Slipway", "MetricData": data})
    metrics = CloudWatchMetrics(client, lambda: NOW)

    metrics.seed("r-1")
    metrics.beat("r-1")
    metrics.request_abort("r-1")

    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        pytest.param(
            "abort",
            {"MetricName": "AbortRequested", "EvaluationPeriods": 1, "TreatMissingData": "ignore"}
            | {"ComparisonOperator": "GreaterThanOrEqualToThreshold", "Statistic": "Maximum"},
            id="one wish trips it, and silence keeps it tripped",
        ),
        pytest.param(
            "dead-man",
            {"MetricName": "JudgeHeartbeat", "EvaluationPeriods": 12, "DatapointsToAlarm": 12}
            | {"TreatMissingData": "breaching", "ComparisonOperator": "LessThanThreshold", "Statistic": "SampleCount"},
            id="120 s without a heartbeat trip it",
        ),
    ],
)
def test_the_rollout_s_own_alarms_look_every_ten_seconds(kind: str, wanted: dict[str, Any]) -> None:
    client, stub = stubbed("cloudwatch")
    shared = {"AlarmName": "a", "AlarmDescription": ANY, "Namespace": "Slipway", "Period": 10, "Threshold": 1}
    dimensions = {"Dimensions": [{"Name": "Rollout", "Value": "r-1"}]}
    stub.add_response("put_metric_alarm", {}, shared | dimensions | wanted)
    alarms = CloudWatchAlarms(client)

    {"abort": alarms.ensure_abort, "dead-man": alarms.ensure_dead_man}[kind]("a", rollout_id="r-1")

    stub.assert_no_pending_responses()


def test_only_alarms_that_are_there_are_deleted() -> None:
    """DeleteAlarms deletes none if one of them does not exist, says its reference."""
    client, stub = stubbed("cloudwatch")
    found = {"MetricAlarms": [{"AlarmName": "guard", "StateValue": "OK"}]}
    stub.add_response("describe_alarms", found, {"AlarmNames": ["guard", "abort"]})
    stub.add_response("delete_alarms", {}, {"AlarmNames": ["guard"]})
    stub.add_response("describe_alarms", {"MetricAlarms": []}, {"AlarmNames": ["guard", "abort"]})
    alarms = CloudWatchAlarms(client)

    alarms.delete(["guard", "abort"])
    alarms.delete(["guard", "abort"])

    stub.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_token_that_nobody_waits_with_any_more_is_told_apart(code: str) -> None:
    client, stub = stubbed("stepfunctions")
    stub.add_response("send_task_success", {}, {"taskToken": "t", "output": '{"leaseToken": 7}'})
    stub.add_client_error("send_task_success", code)
    stub.add_client_error("send_task_failure", code)
    waiters = StepFunctionsWaiters(client)

    assert waiters.succeed("t", {"leaseToken": 7})
    assert not waiters.succeed("t", {"leaseToken": 7})
    assert not waiters.fail("t", "AbortedError", "ana says so")


def test_a_wake_that_is_throttled_is_worth_a_retry_and_one_that_is_forbidden_is_not() -> None:
    client, stub = stubbed("stepfunctions")
    stub.add_client_error("send_task_failure", "ThrottlingException", http_status_code=400)
    stub.add_client_error("send_task_failure", "AccessDeniedException", "no right")
    waiters = StepFunctionsWaiters(client)

    with pytest.raises(ServiceUnavailableError):
        waiters.fail("t", "AbortedError", "ana says so")
    with pytest.raises(Exception, match="AccessDeniedException"):
        waiters.fail("t", "AbortedError", "ana says so")
