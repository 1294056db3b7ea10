"""Step Functions: which errors a Catch sees."""

from typing import Any

from moto.core.exceptions import AWSError
from moto.stepfunctions.parser import api
from moto.stepfunctions.parser.asl.component.common.catch.catch_outcome import CatchOutcome
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import HeartbeatTimeoutError
from moto.stepfunctions.parser.asl.eval.environment import Environment

from local.moto_patches.patching import Patches

_ALL = StatesErrorName(typ=StatesErrorNameType.StatesALL)
_TERMINAL = (
    StatesErrorName(typ=StatesErrorNameType.StatesStatesDataLimitExceeded),
    StatesErrorName(typ=StatesErrorNameType.StatesRuntime),
)
_QUERY = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)


def install(patches: Patches) -> None:
    _name_errors(patches)
    _let_all_match_no_terminal_error(patches)
    _catch_what_an_output_breaks(patches)
    _catch_missed_heartbeats(patches)


def _name_errors(patches: Patches) -> None:
    """moto's interpreter refuses with errors whose code is on no field that reaches the client."""
    for refusal in vars(api).values():
        if isinstance(refusal, type) and issubclass(refusal, AWSError) and refusal is not AWSError:
            patches.replace(refusal, "TYPE", getattr(refusal, "code"))  # noqa: B009 - moto types it as a number


def _let_all_match_no_terminal_error(patches: Patches) -> None:
    """moto's States.ALL catches States.DataLimitExceeded and States.Runtime, which end an execution on AWS.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """

    def matches(self: ErrorEqualsDecl, env: Environment) -> None:
        error = env.stack[-1]
        if error in _TERMINAL and _ALL in self.error_names:
            env.stack.pop()
            env.stack.append(False)
        else:
            original(self, env)

    original = patches.replace(ErrorEqualsDecl, "_eval_body", matches)


def _catch_what_an_output_breaks(patches: Patches) -> None:
    """moto computes a state's Output after its Catch was asked; on AWS that Catch sees an Output that fails.

    Measured on AWS by the reporter of https://github.com/floci-io/floci/issues/2665.
    """

    def output(self: ExecutionState, env: Environment) -> None:
        try:
            original(self, env)
        except FailureEventException as error:
            if error.failure_event.error_name != _QUERY or not self.catch:
                raise
            _catch(self, env, error)

    original = patches.replace(ExecutionState, "_eval_state_output", output)


def _catch(state: Any, env: Environment, error: FailureEventException) -> None:
    failure = error.failure_event
    env.event_manager.add_event(
        context=env.event_history_context, event_type=failure.event_type, event_details=failure.event_details
    )
    said = state._construct_error_output_value(failure_event=failure)  # noqa: SLF001 - as the interpreter does
    env.states.set_error_output(said)
    state._handle_catch(env=env, failure_event=failure)  # noqa: SLF001 - as above
    if env.stack[-1] != CatchOutcome.Caught:
        raise error


class _MissedHeartbeat(StatesErrorName):
    """A States.Timeout that a Catch may also call States.HeartbeatTimeout."""

    def __init__(self) -> None:
        super().__init__(typ=StatesErrorNameType.StatesTimeout)

    def __eq__(self, other: object) -> bool:
        return getattr(other, "error_name", None) in {"States.Timeout", "States.HeartbeatTimeout"}

    __hash__ = None  # type: ignore[assignment] # as in its base: equal to two names, it has no one hash


def _catch_missed_heartbeats(patches: Patches) -> None:
    """moto knows no States.HeartbeatTimeout, which Catch and Retry may name.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """

    def from_error(self: StateTaskServiceCallback, env: Environment, ex: Exception) -> FailureEvent:
        failure: FailureEvent = original(self, env, ex)
        if not isinstance(ex, HeartbeatTimeoutError):
            return failure
        return FailureEvent(env, _MissedHeartbeat(), failure.event_type, failure.event_details)

    original = patches.replace(StateTaskServiceCallback, "_from_error", from_error)
