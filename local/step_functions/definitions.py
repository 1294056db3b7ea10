"""Faults of a state machine's definition that its grammar alone does not show.

Codes and sentences follow
https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinition.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonata.jexception import JException
from jsonata.jsonata import Jsonata

_JSONPATH_ONLY = frozenset(
    {
        "CausePath", "ErrorPath", "HeartbeatSecondsPath", "InputPath", "ItemsPath", "MaxConcurrencyPath", "OutputPath",
        "Parameters", "ResultPath", "ResultSelector", "SecondsPath", "TimeoutSecondsPath", "TimestampPath",
    }
)  # fmt: skip
_JSONATA_ONLY = frozenset({"Arguments", "Items", "Output"})
_ENDS = frozenset({"Succeed", "Fail"})
_LONGEST_TIMEOUT_S = 99_999_999
_MISSING, _INVALID = "MISSING_TRANSITION_TARGET", "SCHEMA_VALIDATION_FAILED"


@dataclass(frozen=True)
class Problem:
    code: str
    message: str
    location: str
    """A JSON pointer into the definition."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location}"


def problems(definition: Mapping[str, Any]) -> list[Problem]:
    """All that is wrong with a definition, which is an Amazon States Language machine read from JSON."""
    return list(_machine(definition, str(definition.get("QueryLanguage", "JSONPath")), ""))


def _machine(machine: Mapping[str, Any], language: str, at: str) -> Iterator[Problem]:
    states: Mapping[str, Any] = machine["States"]
    start = machine["StartAt"]
    if start not in states:
        yield Problem(_MISSING, f"Missing 'Next' target: {start}", f"{at}/StartAt")
    for name, state in states.items():
        yield from _state(state, states, str(state.get("QueryLanguage", language)), f"{at}/States/{name}")
    if start in states:
        for name in sorted(set(states) - _reached(start, states)):
            yield Problem(_MISSING, f'State "{name}" is not reachable.', f"{at}/States/{name}")


def _state(state: Mapping[str, Any], states: Mapping[str, Any], language: str, at: str) -> Iterator[Problem]:
    for where, target in _targets(state):
        if target not in states:
            yield Problem(_MISSING, f"Missing 'Next' target: {target}", f"{at}/{where}")
    if state["Type"] == "Choice":
        if not state.get("Choices"):
            yield Problem(_INVALID, "A Choice state needs at least one choice", at)
    elif state["Type"] not in _ENDS and "Next" not in state and state.get("End") is not True:
        yield Problem(_INVALID, "These fields are required: [Next or End]", at)
    yield from _fields(state, language, at)
    yield from _limits(state, at)
    for index, branch in enumerate(state.get("Branches", ())):
        yield from _machine(branch, language, f"{at}/Branches[{index}]")
    for key in ("ItemProcessor", "Iterator"):
        if key in state:
            yield from _iteration(state[key], language, f"{at}/{key}")


def _iteration(processor: Mapping[str, Any], language: str, at: str) -> Iterator[Problem]:
    if processor.get("ProcessorConfig", {}).get("Mode", "INLINE") != "INLINE":
        yield Problem(
            "NOT_EMULATED", "local AWS does not emulate a distributed Map; local/GAPS.md lists what it does", at
        )
    yield from _machine(processor, language, at)


def _fields(state: Mapping[str, Any], language: str, at: str) -> Iterator[Problem]:
    foreign = _JSONPATH_ONLY if language == "JSONata" else _JSONATA_ONLY
    for name in sorted(foreign & set(state)):
        yield Problem(_INVALID, f"The field '{name}' is not supported by {language}", at)
    if language == "JSONata":
        nested = {"Branches", "ItemProcessor", "Iterator"}
        for name, value in state.items():
            if name not in nested:
                yield from _expressions(value, f"{at}/{name}")


def _limits(state: Mapping[str, Any], at: str) -> Iterator[Problem]:
    for name in ("TimeoutSeconds", "HeartbeatSeconds"):
        value = state.get(name, 1)
        if isinstance(value, int) and not 1 <= value <= _LONGEST_TIMEOUT_S:
            yield Problem(_INVALID, f"{name} is {value} and may be 1 to {_LONGEST_TIMEOUT_S}", f"{at}/{name}")


def _expressions(value: Any, at: str) -> Iterator[Problem]:
    """The JSONata expressions that cannot be parsed."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _expressions(item, f"{at}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _expressions(item, f"{at}[{index}]")
    elif isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        try:
            Jsonata(value[2:-2].strip())
        except JException as error:
            yield Problem("INVALID_JSONATA_EXPRESSION", str(error), at)


def _targets(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where each transition is written, and the state that it names."""
    for key in ("Next", "Default"):
        if key in state:
            yield key, state[key]
    for key in ("Choices", "Catch"):
        for index, rule in enumerate(state.get(key, ())):
            if "Next" in rule:
                yield f"{key}[{index}]/Next", rule["Next"]


def _reached(start: str, states: Mapping[str, Any]) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in states and name not in reached:
            reached.add(name)
            waiting += [target for _, target in _targets(states[name])]
    return reached
