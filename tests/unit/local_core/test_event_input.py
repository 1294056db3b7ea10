"""What a target receives. Expected values: "Amazon EventBridge input transformation", EventBridge User Guide, and for
what the guide leaves open the tests of LocalStack that are marked as validated against AWS."""

import json
from typing import Any

import pytest

from local.event_input import InvalidTemplateError, target_input, unknown_variables

# The guide's own example.
EVENT: dict[str, Any] = {
    "version": "0",
    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "account": "123456789012",
    "time": "2015-11-11T21:29:54Z",
    "region": "us-east-1",
    "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],
    "detail": {
        "instance-id": "i-0123456789",
        "state": "RUNNING",
        "said": 'a "b"',
        "tags": ["x", "y"],
        "nested": {"n": 1},
    },
}
ABOUT = {
    "aws.events.rule-arn": "arn:aws:events:us-east-1:123456789012:rule/example",
    "aws.events.rule-name": "example",
    "aws.events.event.ingestion-time": "2015-11-11T21:29:55Z",
}


def transformed(template: str, **paths: str) -> str:
    transformer = {"InputPathsMap": {name: f"$.{path}" for name, path in paths.items()}, "InputTemplate": template}
    return target_input({"InputTransformer": transformer}, EVENT, ABOUT)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param('{"i": <i>, "s": "<s>"}', {"i": "i-0123456789", "s": "RUNNING"}, id="a string, quoted or not"),
        pytest.param('{"said": "<said>"}', {"said": 'a "b"'}, id="a string with quotation marks"),
        pytest.param('{"all": [<i>, <tags>]}', {"all": ["i-0123456789", ["x", "y"]]}, id="a list"),
        pytest.param('{"first": <first>}', {"first": "x"}, id="an item of a list"),
        pytest.param('{"every": <every>}', {"every": ["x", "y"]}, id="a wildcard"),
        pytest.param('{"o": <nested>}', {"o": {"n": 1}}, id="an object"),
        pytest.param('{"gone": <gone>, "g": "<gone>"}', {"gone": "", "g": ""}, id="a path that the event lacks"),
        pytest.param('{"r": <aws.events.rule-arn>}', {"r": ABOUT["aws.events.rule-arn"]}, id="the rule's ARN"),
        pytest.param('{"r": "<aws.events.rule-name>!"}', {"r": "example!"}, id="the rule's name"),
        pytest.param(
            '{"t": <aws.events.event.ingestion-time>}', {"t": "2015-11-11T21:29:55Z"}, id="the ingestion time"
        ),
        pytest.param('{"e": <aws.events.event.json>}', {"e": EVENT}, id="the event with its detail"),
        pytest.param(
            '{"e": <aws.events.event>}',
            {"e": {name: value for name, value in EVENT.items() if name != "detail"}},
            id="the event without its detail",
        ),
    ],
)
def test_a_json_template_is_filled_with_json(template: str, expected: Any) -> None:
    filled = transformed(
        template,
        i="detail.instance-id",
        s="detail.state",
        said="detail.said",
        tags="detail.tags",
        first="detail.tags[0]",
        every="detail.tags[*]",
        nested="detail.nested",
        gone="detail.gone",
    )

    assert json.loads(filled) == expected


def test_a_string_template_keeps_its_quotes_and_loses_those_of_lists_and_objects() -> None:
    filled = transformed(
        '"<i> has <tags> and <nested>"', i="detail.instance-id", tags="detail.tags", nested="detail.nested"
    )

    assert filled == '"i-0123456789 has [x,y] and {n: 1}"'


def test_lines_of_a_string_template_stay_lines() -> None:
    assert transformed('"<s>"\n"and on"', s="detail.state") == '"RUNNING"\n"and on"'


def test_a_template_that_gives_no_json_is_said_to() -> None:
    with pytest.raises(InvalidTemplateError, match="is not JSON"):
        transformed('{"i": <i> <s>}', i="detail.instance-id", s="detail.state")


def test_names_that_nobody_defined_are_found() -> None:
    transformer = {"InputPathsMap": {"a": "$.id"}, "InputTemplate": '"<a> <b> <aws.events.rule-arn> <aws.events.c>"'}

    assert unknown_variables(transformer) == ["b", "aws.events.c"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param({"Input": "as it is"}, "as it is", id="a constant"),
        pytest.param({"InputPath": "$.detail.tags"}, '["x", "y"]', id="a part"),
        pytest.param({"InputPath": "$.detail.gone"}, "null", id="a part that is not there"),
        pytest.param({}, json.dumps(EVENT), id="the event"),
    ],
)
def test_without_a_template_a_target_gets_what_it_asks_for(target: dict[str, Any], expected: str) -> None:
    assert target_input(target, EVENT) == expected
