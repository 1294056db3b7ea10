"""The state machines of `statemachines/`, run state by state from the YAML itself.

It knows as much of the Amazon States Language as the machines use, and refuses everything else by name when it reads
them. Source: states-language.net, with JSONata as Step Functions' developer guide adds it.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from simulation.expressions import expression_in

ROOT = Path(__file__).parents[1]
WAIT_FOR_TOKEN = "arn:aws:states:::lambda:invoke.waitForTaskToken"  # noqa: S105 - the name of a resource
INVOKE = "arn:aws:states:::lambda:invoke"

_TOP = {"Comment", "QueryLanguage", "TimeoutSeconds", "StartAt", "States"}
_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "Task": frozenset({"Resource", "TimeoutSeconds", "Arguments", "Assign", "Retry", "Catch", "Next"}),
        "Choice": frozenset({"Choices", "Default", "Assign"}),
        "Wait": frozenset({"Seconds", "Timestamp", "Next"}),
        "Pass": frozenset({"Assign", "Next"}),
        "Succeed": frozenset({"Output"}),
        "Fail": frozenset({"Error", "Cause"}),
    }
)
_RETRIER = {"ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy"}
_CATCHER = {"ErrorEquals", "Assign", "Next"}
_CHOICE = {"Condition", "Assign", "Next"}


class UnsupportedMachineError(Exception):
    """A machine uses what this interpreter does not know. The sentence names it."""


@cache
def definition(name: str) -> dict[str, Any]:
    """The machine of `statemachines/<name>.asl.yaml`.

    Raises:
        UnsupportedMachineError
    """
    found: dict[str, Any] = yaml.safe_load((ROOT / "statemachines" / f"{name}.asl.yaml").read_text())
    _known(name, found, _TOP)
    if found["QueryLanguage"] != "JSONata":
        raise UnsupportedMachineError(f"{name} is written in {found['QueryLanguage']}; only JSONata is simulated")
    for state_name, state in found["States"].items():
        _check(f"{name}: {state_name}", state)
    return found


def _check(place: str, state: Mapping[str, Any]) -> None:
    if state["Type"] not in _FIELDS:
        raise UnsupportedMachineError(f"{place} is a {state['Type']} state, which is not simulated; teach simulation/")
    _known(place, state, {"Type", "Comment", *_FIELDS[state["Type"]]})
    for retrier in state.get("Retry", ()):
        _known(f"{place}, Retry", retrier, _RETRIER)
    for catcher in state.get("Catch", ()):
        _known(f"{place}, Catch", catcher, _CATCHER)
    for choice in state.get("Choices", ()):
        _known(f"{place}, Choices", choice, _CHOICE)
        if expression_in(choice["Condition"]) is None:
            raise UnsupportedMachineError(f"{place} has a condition that is no expression: {choice['Condition']}")
    if state["Type"] == "Task" and state["Resource"] not in {INVOKE, WAIT_FOR_TOKEN}:
        raise UnsupportedMachineError(f"{place} calls {state['Resource']}, which is not simulated; teach simulation/")


def _known(place: str, node: Mapping[str, Any], fields: "set[str] | frozenset[str]") -> None:
    if unknown := sorted(node.keys() - fields):
        raise UnsupportedMachineError(f"{place} has {', '.join(unknown)}, which is not simulated; teach simulation/")


@cache
def function_of(function_name: str) -> str:
    """`${RegisterRolloutFunctionArn}` → `register_rollout`."""
    stem = function_name.removeprefix("${").removesuffix("FunctionArn}")
    return re.sub(r"(?<!^)(?=[A-Z])", "_", stem).lower()


def matches(error_equals: list[str], error: str) -> bool:
    """Whether a Retry or a Catch means the error; States.TaskFailed means all but time-outs."""
    wild = "States.ALL" in error_equals or ("States.TaskFailed" in error_equals and error != "States.Timeout")
    return wild or error in error_equals


def delay_s(retrier: Mapping[str, Any], attempt: int) -> float:
    """Seconds before the retry, without jitter.

    Args:
        attempt: 0 for the first retry.
    """
    whole = float(retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** attempt)
    return min(whole, float(retrier.get("MaxDelaySeconds", whole)))
