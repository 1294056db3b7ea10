"""What the machines send and read is what the functions take and give, word for word."""

import re
from enum import StrEnum
from typing import Any, get_args

import pytest

from release.contracts import operation, steps, sweep
from release.contracts.base import Contract
from release.flows.records import LEASE_S
from tests.contract.stack.documents import MACHINES, ROOT, machine
from tests.contract.stack.test_machines import TASKS, edges, expressions, function_of, state_of

STATES = [(name, found) for name in MACHINES for found in machine(name)["States"].values()]
CONTRACTS: dict[str, tuple[type[Contract], type[Contract]]] = {
    "register_rollout": (steps.ExecutionInput, steps.Registered),
    "examine_artifact": (steps.RolloutStep, steps.Judged),
    "publish_artifact": (steps.RolloutStep, steps.Published),
    "plan_rollout": (steps.PlanStep, steps.Planned),
    "await_turn": (steps.TurnStep, steps.Awaited),
    "create_green": (steps.LeasedStep, steps.GreenCreated),
    "start_preflight": (steps.LeasedStep, steps.Watched),
    "await_approval": (steps.ApprovalStep, steps.Awaited),
    "shift_traffic": (steps.LeasedStep, steps.Watched),
    "watch_endpoint": (steps.LeasedStep, steps.Watched),
    "verify_release": (steps.LeasedStep, steps.Judged),
    "settle_rollout": (steps.Settlement, steps.Settled),
    "choose_release": (steps.ExecutionInput, steps.Chosen),
    "start_rollout": (steps.RolloutStep, steps.RolloutStarted),
    "follow_rollout": (steps.FollowStep, steps.Followed),
    "operate_endpoint": (steps.ExecutionInput, operation.Operated),
    "find_sweep_work": (steps.ExecutionInput, sweep.SweepWork),
    "sweep_endpoint": (sweep.SweepStep, sweep.Swept),
    "report_sweep": (sweep.ReportStep, sweep.SweepReport),
}


def words(contract: type[Contract]) -> set[str]:
    return {str(field.alias) for field in contract.model_fields.values()}


@pytest.mark.parametrize(("name", "state"), TASKS)
def test_a_task_sends_every_field_that_its_function_takes_and_no_other(name: str, state: str) -> None:
    task = state_of(name, state)
    taken, _ = CONTRACTS[function_of(task)]

    assert set(task["Arguments"]["Payload"]) == words(taken)


@pytest.mark.parametrize(("name", "state"), TASKS)
def test_a_task_keeps_only_words_that_its_function_gives(name: str, state: str) -> None:
    task = state_of(name, state)
    _, given = CONTRACTS[function_of(task)]
    read = {
        word
        for expression in expressions(task.get("Assign", {}))
        for word in re.findall(r"\$states\.result\.Payload\.(\w+)", expression)
    }

    assert read <= words(given)


def test_a_settlement_s_outcome_is_one_that_the_function_knows() -> None:
    sent = {assigned["outcome"] for _, state in STATES for _, assigned in edges(state) if "outcome" in assigned}

    assert sent == set(get_args(steps.Settlement.model_fields["outcome"].annotation))


def test_what_a_task_token_is_answered_with_is_what_the_machine_keeps() -> None:
    """SendTaskSuccess's output is the state's whole result; there is no Payload around it."""
    kept = {
        word
        for name, state in TASKS
        for expression in expressions(state_of(name, state).get("Assign", {}))
        for word in re.findall(r"\$states\.result\.(?!Payload)(\w+)", expression)
    }

    assert kept == words(steps.TurnGranted)


@pytest.mark.parametrize(("name", "state"), TASKS)
def test_a_task_that_waits_for_a_token_hands_it_out_and_asks_again_when_nobody_answers(name: str, state: str) -> None:
    task = state_of(name, state)
    waits = task["Resource"].endswith(".waitForTaskToken")
    asks_again = [retry for retry in task["Retry"] if retry["ErrorEquals"] == ["States.Timeout"]]

    assert waits == ("taskToken" in task["Arguments"]["Payload"]) == bool(asks_again)
    if waits:
        assert task["TimeoutSeconds"] * 3 <= LEASE_S, "whoever waits with the lease renews it in time"
        waits_s = asks_again[0]["MaxAttempts"] * (task["TimeoutSeconds"] + asks_again[0]["MaxDelaySeconds"])
        assert waits_s < machine(name)["TimeoutSeconds"]


@pytest.mark.parametrize("name", MACHINES)
def test_a_choice_compares_with_words_that_the_function_can_say(name: str) -> None:
    sayable = _values_by_word(name)
    compared = [
        found
        for state in machine(name)["States"].values()
        for choice in state.get("Choices", [])
        for found in re.findall(r"\$(\w+) = '(\w+)'", choice["Condition"])
    ]

    assert [(word, value) for word, value in compared if value not in sayable[word]] == []


def _values_by_word(name: str) -> dict[str, set[str]]:
    """Assigned word → the values of the enumeration behind it."""
    values: dict[str, set[str]] = {}
    for state in machine(name)["States"].values():
        for word, expression in state.get("Assign", {}).items() if state["Type"] == "Task" else ():
            field = re.fullmatch(r"\{% \$states\.result\.Payload\.(\w+) %\}", str(expression))
            if field:
                _, given = CONTRACTS[function_of(state)]
                kinds = [each.annotation for each in given.model_fields.values() if each.alias == field[1]]
                values.setdefault(word, set()).update(*(_enumerated(kind) for kind in kinds))
    return values


def _enumerated(kind: Any) -> set[str]:
    return {str(each) for each in kind} if isinstance(kind, type) and issubclass(kind, StrEnum) else set()


@pytest.mark.parametrize("function", CONTRACTS)
def test_the_page_of_the_steps_names_the_same_fields_as_the_contracts(function: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    row = re.search(rf"^\| `{function}` \|[^|]*\|([^|]*)\|([^|]*)\|$", page, re.MULTILINE)
    assert row, f"docs/architecture.md has no row for {function}"
    taken, given = CONTRACTS[function]

    assert _fields(row[1]) == words(taken)
    assert _fields(row[2]) == words(given)


def _fields(cell: str) -> set[str]:
    """The fields that a cell names, without their values."""
    return set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)|: [^;]*;", " ", cell)))
