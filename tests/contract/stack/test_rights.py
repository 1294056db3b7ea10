"""A function may do what docs/architecture.md says it calls, and no more."""

import re

import pytest

from tests.contract.stack.documents import ROOT, as_list, functions, statements

SHARED = (":alarm:*'}", ":event-bus/default'}", "*")
PAGE = (ROOT / "docs" / "architecture.md").read_text()
NOT_AN_ACTION = {"SageMaker", "Slipway"}


def called() -> dict[str, set[str]]:
    """Function → actions without their service, from the table of calls."""
    table = PAGE[PAGE.index("## What each function calls") :]
    rows: dict[str, set[str]] = {}
    for function, cell in re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE):
        before = rows[list(rows)[-1]] if cell.startswith("the same") else set()
        rows[function] = before | set(re.findall(r"\b[A-Z][A-Za-z]+\b", cell)) - NOT_AN_ACTION
    return rows


@pytest.mark.parametrize("folder", sorted(functions()))
def test_a_role_allows_the_calls_of_its_function_and_no_other(folder: str) -> None:
    allowed = {
        action.partition(":")[2] for each in statements(functions()[folder]) for action in as_list(each["Action"])
    }

    assert allowed == called()[folder]


@pytest.mark.parametrize("folder", sorted(functions()))
def test_a_role_is_bound_to_what_the_stack_owns(folder: str) -> None:
    resources = [str(resource) for each in statements(functions()[folder]) for resource in as_list(each["Resource"])]
    # DescribeAlarms is checked against all alarms, whichever are asked for; a task token names no machine; metrics and
    # the default bus are everybody's, and conditions bind what may be said there; a role of a service is the account's.
    ours = ("AWS::StackName", "role/aws-service-role/")
    loose = [each for each in resources if each == "*" or ("Sub" in each and not any(own in each for own in ours))]

    assert [each for each in loose if "${ArtifactBucket.Arn}/" not in each and not each.endswith(SHARED)] == []


@pytest.mark.parametrize("folder", sorted(functions()))
def test_what_is_said_in_a_place_that_everybody_shares_is_said_in_our_name(folder: str) -> None:
    names = {
        "events:PutEvents": {"events:source": "slipway"},
        "cloudwatch:PutMetricData": {"cloudwatch:namespace": "Slipway"},
    }
    for statement in statements(functions()[folder]):
        for action in as_list(statement["Action"]):
            if action in names:
                assert statement["Condition"] == {"StringEquals": names[action]}
