"""Metrics of rollouts in the embedded metric format; the format's specification is the judge of what CloudWatch reads.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release.adapters.measures import EmbeddedMeasures
from release.domain.phases import Phase
from tests.builders.records import AT, rollout

LATER = datetime.fromisoformat(AT).astimezone(UTC) + timedelta(seconds=90)


def written(capsys: pytest.CaptureFixture[str], before: str, phase: Phase) -> list[dict[str, Any]]:
    EmbeddedMeasures(stack="slipway", now=lambda: LATER).phase_changed(rollout(phase=before), phase)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def read(document: dict[str, Any]) -> dict[str, tuple[float, str, dict[str, str]]]:
    """Metric → value, unit, dimensions, as the specification says where each stands."""
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Slipway"
    (names,) = directive["Dimensions"]
    dimensions = {name: document[name] for name in names}
    found = {}
    for metric in directive["Metrics"]:
        value = document[metric["Name"]]
        found[metric["Name"]] = (value[0] if isinstance(value, list) else value, metric["Unit"], dimensions)
    return found


def test_a_change_of_phase_says_how_long_the_one_before_took(capsys: pytest.CaptureFixture[str]) -> None:
    (document,) = written(capsys, "creating", Phase.SHIFTING)

    where = {"service": "slipway", "Endpoint": "chat", "Phase": "creating"}
    assert read(document) == {"PhaseSeconds": (90.0, "Seconds", where)}
    assert document["correlation_id"] == "a" * 12


@pytest.mark.parametrize("outcome", [Phase.LIVE, Phase.FAILED, Phase.ROLLED_BACK])
def test_an_end_says_how_it_came_out_and_how_long_it_took(capsys: pytest.CaptureFixture[str], outcome: Phase) -> None:
    _, document = written(capsys, "baking", outcome)

    where = {"service": "slipway", "Endpoint": "chat", "Outcome": str(outcome)}
    assert read(document) == {"Rollouts": (1.0, "Count", where), "RolloutSeconds": (90.0, "Seconds", where)}


def test_a_phase_that_is_told_again_counts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert written(capsys, "baking", Phase.BAKING) == []


def test_a_live_release_that_is_superseded_does_not_end_a_second_time(capsys: pytest.CaptureFixture[str]) -> None:
    documents = written(capsys, "live", Phase.SUPERSEDED)

    assert [list(read(document)) for document in documents] == [["PhaseSeconds"]]
