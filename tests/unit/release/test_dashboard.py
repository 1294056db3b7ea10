"""The dashboard of an endpoint: what is drawn, when it is drawn, and when it goes.

Sources: CloudWatch API reference, "Dashboard Body Structure and Syntax" (24 columns, y and heights in units, metric
widgets need a region); CloudWatch user guide, "Using search expressions in graphs".
"""

import json
import re
from typing import Any

import pytest

from local.sagemaker.data_plane.metrics import Invocation
from release.domain.dashboard import drawing
from release.domain.names import Names
from tests.builders.sweeps import Sweeper

NAMES = Names("slipway", "chat")
SEARCH = re.compile(
    r"SEARCH\('\{AWS/SageMaker,EndpointConfigName,EndpointName,VariantName\} "
    r"EndpointName=\"slipway-chat\" MetricName=\"(\w+)\"', '(Sum|p50|p90)', 60\)"
)


def widgets() -> list[dict[str, Any]]:
    drawn: list[dict[str, Any]] = json.loads(drawing(NAMES, "ca-central-1"))["widgets"]
    return drawn


def searches() -> list[str]:
    graphs = [widget["properties"] for widget in widgets() if widget["type"] == "metric"]
    return [line["expression"] for graph in graphs for (line,) in graph["metrics"]]


def test_every_metric_that_is_drawn_is_one_that_an_endpoint_emits() -> None:
    emitted = Invocation("e", "v", "c", 200, 1, 1, at=None).values()  # type: ignore[arg-type]  # nobody asks when

    drawn = {found[1] for text in searches() if (found := SEARCH.fullmatch(text))}

    assert len(searches()) == 6
    assert {"Invocations", "Invocation5XXErrors", "ModelLatency"} <= drawn <= set(emitted)


def test_widgets_lie_in_the_grid_and_over_no_other() -> None:
    taken: set[tuple[int, int]] = set()
    for one in widgets():
        cells = {
            (x, y) for x in range(one["x"], one["x"] + one["width"]) for y in range(one["y"], one["y"] + one["height"])
        }
        assert not cells & taken
        assert all(x < 24 for x, _ in cells)
        taken |= cells


def test_graphs_name_their_region_and_no_two_of_their_lines_have_one_id() -> None:
    for widget in widgets():
        if widget["type"] == "metric":
            ids = [line["id"] for (line,) in widget["properties"]["metrics"]]
            assert widget["properties"]["region"] == "ca-central-1"
            assert len(set(ids)) == len(ids)


@pytest.fixture
def sweeper() -> Sweeper:
    """Over an endpoint that serves."""
    sweeper = Sweeper()
    sweeper.house.live()
    return sweeper


def test_the_sweep_draws_an_endpoint_that_is_there_and_leaves_a_right_drawing_alone(sweeper: Sweeper) -> None:
    assert "draw dashboard slipway-chat" in sweeper.sweep(dry_run=True).would
    assert sweeper.house.dashboards.drawn == {}
    sweeper.sweep()
    assert sweeper.house.dashboards.drawn == {"slipway-chat": drawing(NAMES, "us-east-1")}
    assert not [would for would in sweeper.sweep(dry_run=True).would if "dashboard" in would]


def test_the_sweep_draws_anew_what_somebody_changed_and_removes_what_shows_nothing(sweeper: Sweeper) -> None:
    sweeper.house.dashboards.put("slipway-chat", "{}")
    sweeper.sweep()
    assert sweeper.house.dashboards.drawn == {"slipway-chat": drawing(NAMES, "us-east-1")}

    sweeper.house.serving.endpoints.clear()
    assert "remove dashboard slipway-chat" in sweeper.sweep(dry_run=True).would
    sweeper.sweep()

    assert sweeper.house.dashboards.drawn == {}


def test_an_endpoint_that_is_removed_takes_its_dashboard_along(sweeper: Sweeper) -> None:
    sweeper.sweep()
    sweeper.house.operate("freeze", reason="nobody needs it")

    sweeper.house.operate("remove", reason="nobody needs it")

    assert sweeper.house.dashboards.drawn == {}
