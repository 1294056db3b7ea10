"""The interpreter of the machines: what it knows it does as Amazon says, what it does not know it refuses by name.

Sources: the Amazon States Language specification (states-language.net), "Errors"; Step Functions developer guide,
"Transforming data with JSONata".
"""

import json
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

import pytest
import yaml

from simulation import machines
from simulation.executions import Execution, Executions, Result
from simulation.expressions import QueryEvaluationError, by_the_library, compiled, expression_in
from simulation.functions import handler_of
from simulation.machines import ROOT, UnsupportedMachineError, definition, delay_s, function_of, matches
from simulation.timeline import Timeline
from tests.contract.stack.test_steps import CONTRACTS

NAMES = ("release", "rollback", "operate")
SCOPE: dict[str, Any] = {
    "progress": "arrived",
    "planOnly": False,
    "alreadyLive": True,
    "ended": True,
    "live": False,
    "published": True,
    "well": True,
    "cause": json.dumps({"errorMessage": "one sentence", "errorType": "X"}),
    "error": "X",
    "reason": "because",
    "states": {
        "context": {"Execution": {"Input": {"endpoint": "chat"}, "Id": "arn:1"}, "Task": {"Token": "t"}},
        "result": {"Payload": {"pollSeconds": 3}, "leaseToken": 4},
        "errorOutput": {"Error": "X", "Cause": json.dumps({"errorMessage": "said so"})},
    },
}


def strings(node: Any) -> Iterator[str]:
    match node:
        case str():
            yield node
        case dict():
            for each in node.values():
                yield from strings(each)
        case list():
            for each in node:
                yield from strings(each)


EXPRESSIONS = sorted(
    {found for name in NAMES for text in strings(definition(name)) if (found := expression_in(text)) is not None}
)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_says_here_what_the_library_says(expression: str) -> None:
    said = by_the_library(expression, SCOPE)

    if said is None:
        with pytest.raises(QueryEvaluationError):
            compiled(f"{{% {expression} %}}")(SCOPE)
    else:
        assert compiled(f"{{% {expression} %}}")(SCOPE) == said


SIMULATED = sorted(
    {
        "sweep_endpoint",
        *(
            function_of(state["Arguments"]["FunctionName"])
            for name in NAMES
            for state in definition(name)["States"].values()
            if state["Type"] == "Task"
        ),
    }
)


@pytest.mark.parametrize("function", SIMULATED)
def test_a_handler_is_read_as_the_contract_that_the_machine_s_test_knows(function: str) -> None:
    contract, _, _ = machines_read(function)

    assert contract is CONTRACTS[function][0]
    assert callable(handler_of(function))


def machines_read(function: str) -> tuple[Any, str, str]:
    from simulation.functions import _read  # noqa: PLC0415 - the reading itself is what is tested

    return _read(ROOT / "functions" / function / "app.py")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"Type": "Parallel"}, "Parallel", id="a kind of state"),
        pytest.param({"HeartbeatSeconds": 3}, "HeartbeatSeconds", id="a field"),
        pytest.param({"Resource": "arn:aws:states:::sqs:sendMessage"}, "sqs:sendMessage", id="a service"),
        pytest.param({"Retry": [{"ErrorEquals": ["X"], "Backoff": 2}]}, "Backoff", id="a retrier's field"),
    ],
)
def test_what_is_not_simulated_is_refused_by_name(change: Mapping[str, Any], said: str) -> None:
    task = {"Type": "Task", "Resource": machines.INVOKE, "TimeoutSeconds": 1, "Arguments": {}, "Next": "End"}

    with pytest.raises(UnsupportedMachineError, match=said):
        machines._check("m: Task", {**task, **change})


def test_delays_grow_as_the_language_says() -> None:
    """IntervalSeconds times BackoffRate to the power of the retries before, at most MaxDelaySeconds."""
    retrier = {"IntervalSeconds": 3, "BackoffRate": 2, "MaxDelaySeconds": 10}

    assert [delay_s(retrier, attempt) for attempt in range(4)] == [3, 6, 10, 10]


@pytest.mark.parametrize(
    ("wanted", "error", "meant"),
    [
        pytest.param(["States.ALL"], "States.Timeout", True, id="ALL means time-outs too"),
        pytest.param(["States.TaskFailed"], "X", True, id="TaskFailed means a function's error"),
        pytest.param(["States.TaskFailed"], "States.Timeout", False, id="TaskFailed means no time-out"),
        pytest.param(["X", "Y"], "Y", True, id="a name means itself"),
        pytest.param(["X"], "Xx", False, id="a name means nothing else"),
    ],
)
def test_a_catch_means_what_the_language_says(wanted: list[str], error: str, *, meant: bool) -> None:
    assert matches(wanted, error) is meant


MACHINE = """
QueryLanguage: JSONata
TimeoutSeconds: 1000
StartAt: Ask
States:
  Ask:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke.waitForTaskToken
    TimeoutSeconds: 30
    Arguments: {FunctionName: "${AskFunctionArn}", Payload: {token: "{% $states.context.Task.Token %}"}}
    Assign: {answer: "{% $states.result.said %}"}
    Retry:
      - {ErrorEquals: [States.Timeout], IntervalSeconds: 1, BackoffRate: 1, MaxAttempts: 1, JitterStrategy: NONE}
    Catch:
      - ErrorEquals: [States.ALL]
        Assign: {answer: "{% $states.errorOutput.Error %}"}
        Next: Badly
    Next: Well
  Well: {Type: Succeed, Output: {said: "{% $answer %}"}}
  Badly: {Type: Fail, Error: Broken, Cause: "{% $answer %}"}
"""


class Watch:
    def transition(self, execution: Execution, state: str) -> None: ...

    def failed(self, execution: Execution, state: str, result: Result) -> None: ...

    def ended(self, execution: Execution) -> None: ...


class Waits:
    """A machine that asks a function and waits with a token."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, says: Result) -> None:
        parsed: dict[str, Any] = yaml.safe_load(MACHINE)
        monkeypatch.setattr("simulation.executions.definition", lambda _: parsed)
        self.says, self.tokens = says, list[str]()
        self.timeline = Timeline()
        chance = Random(1)  # noqa: S311 - draws delays, keeps no secret
        self.executions = Executions(self.timeline, chance, self.invoke, Watch())
        self.execution = self.executions.start("test", "one", {})

    def invoke(self, _: str, event: Any, done: Callable[[Result], None]) -> None:
        self.tokens.append(event["token"])
        done(self.says)


def test_a_token_that_is_answered_is_the_task_s_result(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = Waits(monkeypatch, Result(payload={}))
    waits.timeline.run(10)

    assert waits.executions.answer(waits.tokens[0], Result(payload={"said": "yes"}))
    waits.timeline.run(20)

    assert (waits.execution.status, waits.execution.output) == ("SUCCEEDED", {"said": "yes"})
    assert not waits.executions.answer(waits.tokens[0], Result(payload={"said": "again"}))


def test_a_token_that_nobody_answers_is_asked_for_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = Waits(monkeypatch, Result(payload={}))
    waits.timeline.run(1000)

    assert len(set(waits.tokens)) == 2
    assert (waits.execution.status, waits.execution.error, waits.execution.output) == (
        "FAILED",
        "Broken",
        "States.Timeout",
    )


def test_a_function_that_fails_fails_the_task_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = Waits(monkeypatch, Result(error="AbortedError"))
    waits.timeline.run(5)

    assert (waits.execution.status, waits.execution.output) == ("FAILED", "AbortedError")
    assert waits.executions.start("test", "one", {}) is waits.execution
