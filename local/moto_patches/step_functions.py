"""Step Functions: moto's interpreter with a JSONata evaluator, our clock, and a name for every execution."""

import json
import threading
import time
import types
import uuid
from datetime import UTC, datetime
from typing import Any

from jsonata.jexception import JException
from jsonata.jsonata import Jsonata
from moto.core import config
from moto.core.responses import ActionResult
from moto.stepfunctions.parser import models as interpreter
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, ExecutionStatus, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.program import program
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import wait_function
from moto.stepfunctions.parser.asl.eval import states, variable_store
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata
from moto.stepfunctions.parser.backend import execution
from moto.stepfunctions.responses import StepFunctionResponse

from local.clock import Clock
from local.moto_patches import (
    step_functions_definitions,
    step_functions_errors,
    step_functions_executions,
    step_functions_tasks,
)
from local.moto_patches.patching import Patches
from local.world import ACCOUNT, REGION, World

_BEGIN_POLLS, _BEGIN_POLL_S = 500, 0.01  # real time


def install(patches: Patches, world: World, emit: step_functions_executions.Emit) -> None:
    _interpret_machines(patches)
    _evaluate_jsonata(patches)
    _name_query_errors(patches)
    _quote_variables(patches)
    _wait_on_the_clock(patches, world.clock)
    _time_out_machines_on_the_clock(patches, world.clock)
    _name_executions(patches)
    _keep_why_an_execution_was_stopped(patches)
    _let_a_stop_be_final(patches)
    step_functions_tasks.install(patches, world)
    step_functions_definitions.install(patches)
    step_functions_errors.install(patches)
    step_functions_executions.install(patches, world.clock, emit)


def stop_executions() -> None:
    """End what still runs: its threads would go on after the embedded AWS, against whatever answers then."""
    backend = interpreter.stepfunctions_parser_backends[ACCOUNT][REGION]
    for machine in backend.state_machines:
        running: Any  # moto's backend promises the interpreter's parent alone
        for running in list(machine.executions):
            if running.exec_status == ExecutionStatus.RUNNING and _has_begun(running):
                running.stop(stop_date=datetime.now(UTC), error=None, cause="the embedded AWS was stopped")


def _has_begun(started: Any) -> bool:
    """Whether the execution's thread got as far as where it can be stopped; it takes milliseconds."""
    for _ in range(_BEGIN_POLLS):
        if started.exec_worker and started.exec_worker.env:
            return True
        time.sleep(_BEGIN_POLL_S)
    return False


def _interpret_machines(patches: Patches) -> None:
    """moto's executions succeed without running unless its interpreter is switched on."""
    patches.replace_item(config.default_user_config, "stepfunctions", {"execute_state_machine": True})


def _evaluate_jsonata(patches: Patches) -> None:
    """moto has no evaluator for JSONata: every expression calls None (getmoto/moto#10105)."""

    def evaluate(expression: str) -> Any:
        try:
            # jsonata-python answers lists and numbers of its own; the interpreter wants plain JSON.
            return json.loads(json.dumps(Jsonata(expression).evaluate(None)))
        except (JException, TypeError, ValueError, RecursionError) as error:
            raise moto_jsonata.JSONataException("UNKNOWN", str(error)) from error

    patches.replace(moto_jsonata, "_eval_jsonata", evaluate)


def _name_query_errors(patches: Patches) -> None:
    """moto calls an expression that cannot be computed States.Runtime."""

    def evaluate(self: StringJSONata, env: Environment) -> None:
        try:
            original(self, env)
        except moto_jsonata.JSONataException as error:
            raise FailureEventException(_query_error(env, self.expression, str(error.details))) from error

    original = patches.replace(StringJSONata, "_eval_body", evaluate)


def _query_error(env: Environment, expression: str, why: str) -> FailureEvent:
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    cause = f"The JSONata expression '{expression}' threw an error during evaluation. {why}"
    details = EvaluationFailedEventDetails(cause=cause, error=name.error_name)
    evaluation: Any = {"evaluationFailedEventDetails": details}  # moto's type asks for every kind of detail at once
    return FailureEvent(
        env=env,
        error_name=name,
        event_type=HistoryEventType.EvaluationFailed,
        event_details=evaluation,
    )


def _keep_why_an_execution_was_stopped(patches: Patches) -> None:
    """moto forgets the error and cause that StopExecution gave, and breaks if the execution has only just begun."""

    def stop(self: StepFunctionResponse) -> ActionResult:
        stopped: Any = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        _has_begun(stopped)
        at = datetime.now(UTC)
        stopped.stop(stop_date=at, error=self._get_param("error"), cause=self._get_param("cause"))
        return ActionResult({"stopDate": at})

    def reflect(self: execution.BaseExecutionWorkerCommunication) -> None:
        original(self)
        worker = self.execution.exec_worker
        ended = worker.env.program_state() if worker and worker.env else None
        if isinstance(ended, ProgramStopped):
            self.execution.error, self.execution.cause = ended.error, ended.cause

    patches.replace(StepFunctionResponse, "stop_execution", stop)
    original = patches.replace(execution.BaseExecutionWorkerCommunication, "_reflect_execution_status", reflect)


def _let_a_stop_be_final(patches: Patches) -> None:
    """moto makes a stopped execution a failed one if the call that it was in the middle of fails afterwards."""

    def fail(self: Environment, error: Any) -> None:
        if not isinstance(self.program_state(), ProgramStopped):
            original(self, error)

    original = patches.replace(Environment, "set_error", fail)


def _quote_variables(patches: Patches) -> None:
    """moto pastes string variables between quotes as they are: a quotation mark in one breaks the next expression."""

    def declare(bindings: dict[str, Any]) -> str:
        return "".join(f"{name}:={json.dumps(value, default=str)};" for name, value in bindings.items())

    for module in (moto_jsonata, states, variable_store):
        patches.replace(module, "encode_jsonata_variable_declarations", declare)


def _wait_on_the_clock(patches: Patches, clock: Clock) -> None:
    """moto's Wait states and Retry intervals sleep on the wall clock."""

    def wait_interval(_self: Any, env: Environment, wait_seconds: float) -> None:
        end = clock.time() + wait_seconds
        while (left_s := end - clock.time()) > 0 and env.is_running():
            clock.wait(env.program_state_event, left_s)

    patches.replace(wait_function.WaitFunction, "_wait_interval", wait_interval)
    patches.replace(retrier_decl, "time", types.SimpleNamespace(sleep=clock.sleep))


def _time_out_machines_on_the_clock(patches: Patches, clock: Clock) -> None:
    """moto measures a machine's TimeoutSeconds on the wall clock, beside Waits that run on ours.

    A Task's own time-out stays in real seconds: it bounds work that real processes do at their own speed.
    """

    def evaluate(self: program.Program, env: Environment) -> None:
        limit_s = self.timeout_seconds.timeout_seconds if self.timeout_seconds else None
        env.next_state_name = self.start_at.start_at_name
        worker = threading.Thread(target=EvalComponent.eval, args=(self, env), name="execution", daemon=True)
        worker.start()
        worker.join(None if limit_s is None else clock.real_seconds(limit_s))
        if worker.is_alive():
            env.set_timed_out()

    patches.replace(program.Program, "eval", evaluate)


def _name_executions(patches: Patches) -> None:
    """moto calls an execution that was started without a name "None", so the second one exists already."""

    def start(self: Any, state_machine_arn: str, name: str | None = None, *rest: Any, **named: Any) -> Any:
        return original(self, state_machine_arn, name or str(uuid.uuid4()), *rest, **named)

    original = patches.replace(interpreter.StepFunctionsParserBackend, "start_execution", start)
