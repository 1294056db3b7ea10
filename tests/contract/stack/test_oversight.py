"""What people look at and what wakes them: it names alarms and metrics that there are."""

import json
import re
from typing import Any

from local.sagemaker.data_plane.metrics import Invocation
from tests.contract.stack.documents import of_type, template

RESOURCES = template("infra/oversight.yaml")["Resources"]
RULE = RESOURCES["PageSomeone"]["Properties"]["AlarmRule"]["Fn::Sub"]
BODY = json.loads(
    RESOURCES["Platform"]["Properties"]["DashboardBody"]["Fn::Sub"].replace("${StackName}", "slipway"),
)
ALARMS = {
    each["AlarmName"]["Fn::Sub"].replace("${AWS::StackName}", "${StackName}"): name
    for name, each in of_type(template(), "AWS::CloudWatch::Alarm").items()
}
# By namespace: what the embedded AWS emits, and for load balancers, which it has none of, the CloudWatch metrics of the
# user guide for Application Load Balancers.
EMITTED = {
    "AWS/States": {"ExecutionsStarted", "ExecutionsFailed", "ExecutionsTimedOut"},
    "AWS/Lambda": {"Errors", "Duration"},
    "AWS/SageMaker": set(Invocation("e", "v", "c", 200, 1, 1, at=None).values()),  # type: ignore[arg-type]  # nobody asks when
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible"},
    "AWS/ApplicationELB": {"RequestCount", "HTTPCode_Target_5XX_Count"},
}


def graphs() -> list[dict[str, Any]]:
    return [widget["properties"] for widget in BODY["widgets"] if widget["type"] == "metric"]


def test_who_is_woken_is_woken_by_alarms_that_there_are_and_that_are_made_first() -> None:
    named = re.findall(r'ALARM\("([^"]+)"\)', RULE)

    assert len(named) == len(set(named)) == RULE.count("ALARM(") == RULE.count(" OR ") + 1
    assert {ALARMS[name] for name in named} == set(template()["Resources"]["Oversight"]["DependsOn"])


def test_a_rollout_that_merely_failed_wakes_nobody() -> None:
    assert "release-state-machine" not in RULE


def test_the_platform_s_dashboard_draws_metrics_that_are_emitted() -> None:
    drawn = []
    for graph in graphs():
        for line in graph["metrics"]:
            if isinstance(line[0], dict):
                found = re.fullmatch(
                    r"SEARCH\('\{([\w/]+),[\w,]+\} slipway MetricName=\"(\w+)\"', '(?:Sum|p90)', \d+\)",
                    line[0]["expression"],
                )
                assert found, line
                drawn.append(found.groups())
            else:
                drawn.append((line[0], line[1]))

    assert len(drawn) == 10
    assert all(metric in EMITTED[namespace] for namespace, metric in drawn)


def test_the_platform_s_dashboard_shows_alarms_that_there_are() -> None:
    (shown,) = [widget["properties"]["alarms"] for widget in BODY["widgets"] if widget["type"] == "alarm"]
    names = {arn.rpartition(":")[2].replace("slipway", "${StackName}", 1) for arn in shown}

    assert len(names) == len(shown)
    assert names <= set(ALARMS) | {"${StackName}-page-someone"}


def test_widgets_lie_in_the_grid_and_over_no_other() -> None:
    taken: set[tuple[int, int]] = set()
    for one in BODY["widgets"]:
        cells = {
            (x, y) for x in range(one["x"], one["x"] + one["width"]) for y in range(one["y"], one["y"] + one["height"])
        }
        assert not cells & taken
        assert all(x < 24 for x, _ in cells)
        taken |= cells
