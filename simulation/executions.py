"""Executions of the machines: one state after the other, retries, catches, time-outs and task tokens."""

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Protocol

from simulation.expressions import QueryEvaluationError, Value, compiled
from simulation.machines import WAIT_FOR_TOKEN, definition, delay_s, function_of, matches
from simulation.timeline import Timeline

_TRANSITION_S = 0.05
_NOTHING: dict[str, Any] = {}
_ACCOUNT = "arn:aws:states:us-east-1:123456789012"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a task: a payload, or an error by name."""

    payload: Any = None
    error: str = ""
    cause: str = ""


Invoke = Callable[[str, Any, Callable[[Result], None]], None]
"""Runs a function with an event, and tells the result when there is one."""


class Observer(Protocol):
    def transition(self, execution: "Execution", state: str) -> None: ...

    def failed(self, execution: "Execution", state: str, result: Result) -> None: ...

    def ended(self, execution: "Execution") -> None: ...


def execution_arn(machine: str, name: str) -> str:
    return f"{_ACCOUNT}:execution:slipway-{machine}:{name}"


class Executions:
    """Step Functions: every execution ever started, and the tokens that somebody waits with."""

    def __init__(self, timeline: Timeline, rng: Random, invoke: Invoke, observer: Observer) -> None:
        self.timeline, self.rng, self.invoke, self.observer = timeline, rng, invoke, observer
        self.all: dict[str, Execution] = {}
        self.tokens: dict[str, Callable[[Result], bool]] = {}
        self._token_numbers = itertools.count(1)

    def start(self, machine: str, name: str, given: Any) -> "Execution":
        """Start one, or find the one of this name: an execution's name can be used once."""
        arn = execution_arn(machine, name)
        if arn not in self.all:
            self.all[arn] = Execution(self, machine, arn, given)
            self.timeline.after(_TRANSITION_S, self.all[arn].begin)
        return self.all[arn]

    def new_token(self, answer: Callable[[Result], bool]) -> str:
        token = f"token-{next(self._token_numbers)}"
        self.tokens[token] = answer
        return token

    def answer(self, token: str, result: Result) -> bool:
        """False: nobody waits with this token any more."""
        waits = self.tokens.get(token)
        return waits is not None and waits(result)


class Execution:
    def __init__(self, world: Executions, machine: str, arn: str, given: Any) -> None:
        self.world, self.machine, self.arn, self.given = world, machine, arn, given
        self.status, self.error = "RUNNING", ""
        self.output: Any = None
        self._definition = definition(machine)
        self._variables: dict[str, Any] = {}
        self._context = {"Execution": {"Input": given, "Id": arn}}
        self._state = ""
        self._retried: dict[int, int] = {}
        self._attempt = 0
        self._began_s = 0.0
        self._kinds: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "Task": self._task,
            "Choice": self._choice,
            "Wait": self._wait,
            "Pass": self._pass,
            "Succeed": self._succeed,
            "Fail": self._end_badly,
        }

    @property
    def is_running(self) -> bool:
        return self.status == "RUNNING"

    def begin(self) -> None:
        self._began_s = self.world.timeline.now_s
        self._enter(self._definition["StartAt"])

    def _enter(self, name: str) -> None:
        self._state, self._retried = name, {}
        self.world.observer.transition(self, name)
        self.world.timeline.after(_TRANSITION_S, self._work)

    def _work(self) -> None:
        if not self.is_running:
            return
        if self.world.timeline.now_s - self._began_s > self._definition["TimeoutSeconds"]:
            self._end("TIMED_OUT", "States.Timeout", None)
            return
        state = self._definition["States"][self._state]
        try:
            self._kinds[state["Type"]](state)
        except QueryEvaluationError as error:
            self._fail(state, Result(error="States.QueryEvaluationError", cause=str(error)))

    def _value(self, node: Any, **states: Any) -> Any:
        scope = {**self._variables, "states": {"context": self._context, "input": self.given, **states}}
        return _value_of(node)(scope)

    def _assign(self, node: Mapping[str, Any], **states: Any) -> None:
        assigned = node.get("Assign")
        if assigned:
            self._variables.update(self._value(assigned, **states))

    # The states ------------------------------------------------------------------------------------------------

    def _choice(self, state: Mapping[str, Any]) -> None:
        for choice in state["Choices"]:
            if self._value(choice["Condition"]) is True:
                self._assign(choice)
                self._enter(choice["Next"])
                return
        self._assign(state)
        self._enter(state["Default"])

    def _wait(self, state: Mapping[str, Any]) -> None:
        if "Timestamp" in state:
            at = datetime.fromisoformat(self._value(state["Timestamp"]))
            wait_s = max(0.0, (at - self.world.timeline.clock()).total_seconds())
        else:
            wait_s = float(self._value(state["Seconds"]))
        self.world.timeline.after(wait_s, lambda: self._enter_if_running(state["Next"]))

    def _enter_if_running(self, name: str) -> None:
        if self.is_running:
            self._enter(name)

    def _pass(self, state: Mapping[str, Any]) -> None:
        self._assign(state)
        self._enter(state["Next"])

    def _succeed(self, state: Mapping[str, Any]) -> None:
        self._end("SUCCEEDED", "", self._value(state.get("Output", _NOTHING)))

    def _end_badly(self, state: Mapping[str, Any]) -> None:
        self._end("FAILED", str(self._value(state["Error"])), self._value(state["Cause"]))

    def _task(self, state: Mapping[str, Any]) -> None:
        self._attempt += 1
        attempt = self._attempt

        def told(result: Result) -> bool:
            """Whether this attempt was still waited for."""
            if not self.is_running or attempt != self._attempt:
                return False
            self._attempt += 1
            self._task_told(state, result)
            return True

        waits = state["Resource"] == WAIT_FOR_TOKEN
        context = self._context
        if waits:
            context = {**context, "Task": {"Token": self.world.new_token(told)}}
        arguments = self._value(state["Arguments"], context=context)

        def timed_out() -> None:
            told(Result(error="States.Timeout"))

        def answered(result: Result) -> None:
            if result.error or not waits:
                told(result)

        self.world.timeline.after(state["TimeoutSeconds"], timed_out)
        self.world.invoke(function_of(arguments["FunctionName"]), arguments["Payload"], answered)

    def _task_told(self, state: Mapping[str, Any], result: Result) -> None:
        if result.error:
            self._fail(state, result)
            return
        waits = state["Resource"] == WAIT_FOR_TOKEN
        try:
            self._assign(state, result=result.payload if waits else {"Payload": result.payload})
        except QueryEvaluationError as error:
            self._fail(state, Result(error="States.QueryEvaluationError", cause=str(error)))
            return
        self._enter(state["Next"])

    # Failures --------------------------------------------------------------------------------------------------

    def _fail(self, state: Mapping[str, Any], result: Result) -> None:
        self.world.observer.failed(self, self._state, result)
        if not self._retries(state, result):
            self._catch(state, result)

    def _retries(self, state: Mapping[str, Any], result: Result) -> bool:
        for index, retrier in enumerate(state.get("Retry", ())):
            if not matches(retrier["ErrorEquals"], result.error):
                continue
            attempt = self._retried.get(index, 0)
            if attempt >= retrier.get("MaxAttempts", 3):
                return False
            self._retried[index] = attempt + 1
            wait_s = delay_s(retrier, attempt)
            if retrier.get("JitterStrategy") == "FULL":
                wait_s = self.world.rng.uniform(0, wait_s)
            self.world.timeline.after(wait_s, self._work)
            return True
        return False

    def _catch(self, state: Mapping[str, Any], result: Result) -> None:
        for catcher in state.get("Catch", ()):
            if not matches(catcher["ErrorEquals"], result.error):
                continue
            output = {"Error": result.error, **({"Cause": result.cause} if result.cause else {})}
            try:
                self._assign(catcher, errorOutput=output)
            except QueryEvaluationError as error:
                self._end("FAILED", "States.QueryEvaluationError", str(error))
                return
            self._enter(catcher["Next"])
            return
        self._end("FAILED", result.error, result.cause)

    def _end(self, status: str, error: str, output: Any) -> None:
        self.status, self.error, self.output = status, error, output
        self.world.observer.ended(self)


_VALUES: dict[int, tuple[Any, Value]] = {}
"""By the identity of the node; the node is kept beside, since another could take a lost one's identity."""


def _value_of(node: Any) -> Value:
    if id(node) not in _VALUES:
        _VALUES[id(node)] = node, compiled(node)
    return _VALUES[id(node)][1]


def failure(error: BaseException) -> Result:
    """A function's error as Step Functions catches it: its class, and JSON for a cause."""
    name = type(error).__name__
    return Result(error=name, cause=json.dumps({"errorMessage": str(error), "errorType": name}))
