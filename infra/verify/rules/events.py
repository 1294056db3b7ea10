"""Rules, their targets, and alarms."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.verify.rules.registry import Properties, as_list, at, rule_of
from infra.verify.subjects import ROOT

_CLOUDWATCH = "CloudWatch user guide, how alarms treat missing data"


@rule_of(
    "AWS::Events::Rule",
    "no-event-is-lost",
    "an event that no target took lies in a queue",
    "EventBridge user guide, dead-letter queues",
)
def _delivery(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    for target in as_list(properties.get("Targets")):
        if not at(target, "DeadLetterConfig.Arn"):
            yield f"the target {target.get('Id')} has no DeadLetterConfig"
        if not at(target, "RetryPolicy.MaximumRetryAttempts"):
            yield f"the target {target.get('Id')} has no RetryPolicy"


@rule_of(
    "AWS::Events::Rule",
    "events-name-their-source",
    "a pattern names who sends",
    "EventBridge user guide, event patterns",
)
def _source(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    pattern = properties.get("EventPattern")
    if pattern is not None and not pattern.get("source"):
        yield "anybody may send what it waits for"
    if pattern is None and not properties.get("ScheduleExpression"):
        yield "it has neither a pattern nor a schedule"


@rule_of(
    "AWS::CloudWatch::Alarm",
    "alarms-reach-people",
    "an alarm tells somebody, says what silence means and leads to a runbook",
    _CLOUDWATCH,
)
def _alarm(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    if not as_list(properties.get("AlarmActions")):
        yield "it tells nobody"
    if "TreatMissingData" not in properties:
        yield "it does not say what silence means"
    runbook = re.search(r"docs/runbooks/\w+\.md", str(properties.get("AlarmDescription")))
    if not runbook:
        yield "its description names no runbook"
    elif not (ROOT / runbook[0]).is_file():
        yield f"{runbook[0]} is not there"
