"""Every path through the machines is safe: bounded, retried where time heals, and ended with a word and a sentence."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonata.jsonata import Jsonata
from moto.stepfunctions.parser.asl.jsonata.jsonata import extract_jsonata_variable_references

import release.errors
from release.domain.outcome import error_of
from release.domain.phases import Phase
from tests.contract.stack.documents import (
    MACHINES,
    ROOT,
    as_list,
    functions,
    machine,
    of_type,
    parts,
    statements,
    states,
    template,
)

STATES = [(name, state) for name in MACHINES for state in states(name)]
TASKS = [(name, state) for name, state in STATES if states(name)[state]["Type"] == "Task"]
ENDS = {"Succeed", "Fail"}
MOST_STATES = 20
# What Lambda and Step Functions themselves raise, by AWS's developer guides: Step Functions' "Handling errors" names
# Lambda.Unknown for what a runtime does not tell, Lambda's runtime API Runtime.ExitError for a process that died.
AWS_ERRORS = {
    "Lambda.AWSLambdaException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "States.ALL",
    "States.Timeout",
}
# Functions of JSONata itself, and $parse, which Step Functions adds to it.
BUILT_IN = {"$contains", "$exists", "$parse"}


def state_of(name: str, state: str) -> dict[str, Any]:
    return states(name)[state]


def edges(state: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where a state can go, and what it assigns on the way."""
    assigned = state.get("Assign", {})
    # A Choice assigns what stands beside its Default on the way there alone.
    for next_state in (state.get("Next"), state.get("Default")):
        if next_state:
            yield next_state, assigned
    for choice in state.get("Choices", []):
        yield choice["Next"], choice.get("Assign", {})
    for catch in state.get("Catch", []):
        yield catch["Next"], catch.get("Assign", {})


def expressions(node: Any) -> Iterator[str]:
    if isinstance(node, str) and node.startswith("{%"):
        assert node.endswith("%}"), node
        yield node[2:-2].strip()
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from expressions(child)


def function_of(state: dict[str, Any]) -> str:
    """Folder of the function that a task asks."""
    name = re.fullmatch(r"\$\{(\w+)FunctionArn\}", state["Arguments"]["FunctionName"])
    assert name, state
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name[1]).lower()


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_is_bounded_in_time_and_small_enough_to_read(name: str) -> None:
    definition = machine(name)

    assert definition["QueryLanguage"] == "JSONata"
    assert definition["TimeoutSeconds"] > 0
    assert len(states(name)) <= MOST_STATES


@pytest.mark.parametrize("name", MACHINES)
def test_every_state_can_be_reached_and_every_way_leads_to_a_state(name: str) -> None:
    for definition in parts(name):
        reached, ahead = set(), [definition["StartAt"]]
        while ahead:
            state = ahead.pop()
            if state not in reached:
                reached.add(state)
                ahead += [next_state for next_state, _ in edges(definition["States"][state])]

        assert reached == set(definition["States"])


@pytest.mark.parametrize(("name", "state"), STATES)
def test_a_state_goes_on_or_ends_in_a_named_success_or_failure(name: str, state: str) -> None:
    found = state_of(name, state)

    assert "End" not in found
    assert bool(list(edges(found))) is (found["Type"] not in ENDS)
    if found["Type"] == "Choice":
        assert found["Default"]
        assert state.endswith("?")


@pytest.mark.parametrize(("name", "state"), STATES)
def test_a_failure_has_a_name_and_a_cause(name: str, state: str) -> None:
    found = state_of(name, state)
    if found["Type"] == "Fail":
        assert re.fullmatch(r"[A-Z][A-Za-z]+|\{% \$error %\}", found["Error"])
        assert found["Cause"]


def test_the_name_that_a_rollout_fails_with_is_the_settlement_s_or_a_plain_word() -> None:
    named = {
        assigned["error"]
        for state in machine("release")["States"].values()
        for next_state, assigned in edges(state)
        if next_state in {"Ended badly", "Did it end well?"}
        if "error" in assigned
    }

    assert named == {"{% $states.result.Payload.error %}", "RolloutFailed", "RolloutStuck"}
    assert {error_of(phase) for phase in Phase} - {""} >= {"RolloutFailed", "RolloutStuck"}


@pytest.mark.parametrize(("name", "state"), TASKS)
def test_h005_a_task_is_limited_retried_and_caught(name: str, state: str) -> None:
    task = state_of(name, state)

    assert task["TimeoutSeconds"] > 0
    assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"]
    for retry in task["Retry"]:
        assert "States.ALL" not in retry["ErrorEquals"]
        assert retry["MaxDelaySeconds"] <= 60
        assert retry["JitterStrategy"] == ("NONE" if retry["ErrorEquals"] == ["ArtifactIncompleteError"] else "FULL")
    assert "ServiceUnavailableError" in task["Retry"][0]["ErrorEquals"]


@pytest.mark.parametrize(("name", "state"), TASKS)
def test_a_task_waits_longer_than_its_function_runs(name: str, state: str) -> None:
    task = state_of(name, state)
    timeout_s = functions()[function_of(task)].get("Timeout", template()["Globals"]["Function"]["Timeout"])

    assert task["TimeoutSeconds"] > timeout_s


def test_files_that_are_late_get_half_an_hour() -> None:
    (retry,) = [
        each
        for each in state_of("release", "Examine artifact")["Retry"]
        if each["ErrorEquals"] == ["ArtifactIncompleteError"]
    ]
    delays = [
        min(retry["IntervalSeconds"] * retry["BackoffRate"] ** attempt, retry["MaxDelaySeconds"])
        for attempt in range(retry["MaxAttempts"])
    ]

    assert 1800 <= sum(delays) < 1860


@pytest.mark.parametrize("name", MACHINES)
def test_h007_every_error_that_a_machine_names_is_ours_or_aws_s(name: str) -> None:
    ours = {
        each for each in vars(release.errors) if isinstance(getattr(release.errors, each), type) and "Error" in each
    }
    named = {
        error
        for state in states(name).values()
        for rule in [*state.get("Retry", []), *state.get("Catch", [])]
        for error in rule["ErrorEquals"]
    }
    assigned = {
        state["Assign"]["error"]
        for state in machine(name)["States"].values()
        if state["Type"] == "Choice" and "error" in state.get("Assign", {})
    }

    assert named | assigned <= ours | AWS_ERRORS


@pytest.mark.parametrize("name", MACHINES)
def test_h006_every_substitution_is_declared_and_used_and_may_be_invoked(name: str) -> None:
    properties = of_type(template(), "AWS::Serverless::StateMachine")[f"{name.capitalize()}StateMachine"]
    text = (ROOT / "statemachines" / f"{name}.asl.yaml").read_text()
    declared = properties["DefinitionSubstitutions"]
    (steps,) = [each for each in statements(properties) if each["Sid"] == "TakeSteps"]

    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(declared)
    assert declared == {each: {"Fn::GetAtt": [each.removesuffix("Arn"), "Arn"]} for each in declared}
    assert sorted(map(str, as_list(steps["Resource"]))) == sorted(map(str, declared.values()))


@pytest.mark.parametrize(("name", "state"), STATES)
def test_an_expression_parses_and_only_selects_and_compares(name: str, state: str) -> None:
    for expression in expressions(state_of(name, state)):
        operators = {node.value for node in _nodes(Jsonata(expression).ast) if node.type == "binary"}

        assert operators <= {"=", "!=", "and", "or", "."}, expression


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    parts = (node.lhs, node.rhs, node.condition, node.then, node._else, node.expression, node.procedure)
    for part in (*parts, *(node.steps or []), *(node.arguments or []), *(node.expressions or [])):
        if part is not None:
            yield from _nodes(part)


@pytest.mark.parametrize("name", MACHINES)
def test_a_word_that_a_state_uses_was_assigned_on_every_way_to_it(name: str) -> None:
    known = _assigned_before(machine(name))
    missing = {
        state: used
        for state, found in machine(name)["States"].items()
        if (used := _words_used(_without_items(found)) - known[state] - BUILT_IN)
    }
    # What a Map runs is given its words as its input, so that it can be read by itself.
    for part in parts(name)[1:]:
        missing |= {state: used for state, found in part["States"].items() if (used := _words_used(found) - BUILT_IN)}

    assert missing == {}


def _without_items(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "ItemProcessor"}


def _words_used(state: dict[str, Any]) -> set[str]:
    references = set().union(*(extract_jsonata_variable_references(each) for each in expressions(state)))
    return {each.split(".")[0] for each in references if not each.startswith("$states.")}


def _assigned_before(definition: dict[str, Any]) -> dict[str, set[str]]:
    """By state, what has been assigned whichever way the execution came."""
    everything = {f"${word}" for each in definition["States"].values() for _, made in edges(each) for word in made}
    known = dict.fromkeys(definition["States"], everything) | {definition["StartAt"]: set[str]()}
    settled = False
    while not settled:
        settled = True
        for state, found in definition["States"].items():
            for next_state, assigned in edges(found):
                narrowed = known[next_state] & (known[state] | {f"${word}" for word in assigned})
                settled = settled and narrowed == known[next_state]
                known[next_state] = narrowed
    return known
