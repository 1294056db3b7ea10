"""Log lines of functions and of endpoints' containers, from CloudWatch Logs."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from slipway.aws import Aws
from slipway.aws_errors import error_code, translated
from slipway.errors import LogsMissingError

_POLL_S = 1.0


@dataclass(frozen=True)
class LogLine:
    """`fields` are what a function's line carries beside these; empty for a line that is no JSON."""

    at: datetime
    level: str
    where: str
    """The function that wrote it, or the container's log stream."""
    message: str
    fields: Mapping[str, Any]


_OWN = frozenset({"timestamp", "level", "message", "function_name"})


@dataclass(frozen=True)
class Question:
    """Which lines: `since` and `until` bound their time, `rollout_id` and `function` narrow them (empty: all)."""

    group: str
    since: datetime
    rollout_id: str = ""
    function: str = ""

    def wants(self, line: LogLine) -> bool:
        if self.rollout_id and self.rollout_id not in {
            line.fields.get(name) for name in ("rolloutId", "rollout_id", "rollout")
        }:
            return False
        return not self.function or line.where.endswith(self.function.replace("_", "-"))


def read(aws: Aws, question: Question, *, follow: bool = False) -> Iterator[LogLine]:
    """Lines in the order of their time; with `follow` every later one too, until the caller stops.

    Raises:
        LogsMissingError: the group does not exist, because nothing has ever been logged there.
    """
    since_ms, seen = int(question.since.timestamp() * 1000), set[str]()
    while True:
        for event in _events(aws, question.group, since_ms):
            if event["eventId"] in seen:
                continue
            seen.add(event["eventId"])
            since_ms = max(since_ms, event["timestamp"])
            line = line_of(event)
            if question.wants(line):
                yield line
        if not follow:
            return
        time.sleep(_POLL_S)


def _events(aws: Aws, group: str, since_ms: int) -> Iterator[Mapping[str, Any]]:
    with translated():
        pages = aws.logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since_ms)
        try:
            found = [dict(event) for page in pages for event in page["events"]]
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            raise LogsMissingError(
                f"there is no log group {group}: nothing was ever logged there; `slipway doctor` checks the stack"
            ) from error
    yield from sorted(found, key=lambda event: (event["timestamp"], event["eventId"]))


def line_of(event: Mapping[str, Any]) -> LogLine:
    """A line as CloudWatch Logs returns it."""
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    text = event["message"].rstrip("\n")
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict) or "message" not in said:
        return LogLine(at, "", event.get("logStreamName", ""), text, said if isinstance(said, dict) else {})
    rest = {name: value for name, value in said.items() if name not in _OWN}
    where = str(said.get("function_name", event.get("logStreamName", "")))
    return LogLine(at, str(said.get("level", "")), where, str(said["message"]), rest)
