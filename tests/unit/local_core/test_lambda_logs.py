"""Lines of functions on their way into CloudWatch Logs."""

import time
from collections.abc import Iterator

import pytest
from moto import mock_aws
from moto.logs.models import LogsBackend, logs_backends

from local.moto_patches.lambda_functions import CloudWatchLogs
from local.world import ACCOUNT, REGION


@pytest.fixture
def logs() -> Iterator[LogsBackend]:
    with mock_aws():
        yield logs_backends[ACCOUNT][REGION]


def test_two_first_lines_of_a_stream_are_both_kept(logs: LogsBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure = logs.ensure_log_group

    def meanwhile_another_line_came(group: str) -> None:
        ensure(group)
        logs.create_log_stream(group, "stream")
        logs.put_log_events(group, "stream", [{"timestamp": time.time_ns() // 1_000_000, "message": "other"}])

    monkeypatch.setattr(logs, "ensure_log_group", meanwhile_another_line_came)
    CloudWatchLogs().write("group", "stream", "line")

    assert [event.message for event in logs.groups["group"].streams["stream"].events] == ["other", "line"]
