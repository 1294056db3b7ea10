"""Step Functions: an execution's name, dates, history and events."""

import re
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.exceptions import ValidationException
from moto.stepfunctions.parser.api import (
    ExecutionFailedEventDetails,
    HistoryEventType,
    InvalidName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state import state as state_module
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import timestamp
from moto.stepfunctions.parser.asl.eval.event import event_manager
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str
from moto.stepfunctions.parser.backend import execution
from moto.stepfunctions.responses import StepFunctionResponse

from local.clock import Clock
from local.moto_patches.patching import Patches

Emit = Callable[[str, str, Mapping[str, Any], Sequence[str]], None]

# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
HISTORY_LIMIT = 25_000
INPUT_LIMIT_BYTES = 262_144
_LONGEST_NAME = 80
_PAGE, _LARGEST_PAGE = 100, 1000
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html, name
_FORBIDDEN = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]")


def install(patches: Patches, clock: Clock, emit: Emit) -> None:
    _check_what_starts(patches)
    _date_on_the_clock(patches, clock)
    _tell_eventbridge(patches, emit)
    _describe_every_end(patches)
    _page_histories(patches)
    _end_at_the_histories_limit(patches)
    _keep_why_a_task_failed(patches)


def _check_what_starts(patches: Patches) -> None:
    """moto starts an execution under any name and with an input of any size."""

    def start(self: StepFunctionResponse) -> ActionResult:
        name, given = self._get_param("name"), self._get_param("input", if_none="{}")
        if name is not None and (not 1 <= len(name) <= _LONGEST_NAME or _FORBIDDEN.search(name)):
            raise InvalidName(message=f"Invalid Name: '{name}'")
        size = len(given.encode())
        if size > INPUT_LIMIT_BYTES:
            raise ValidationException(
                f"1 validation error detected: Value at 'input' has {size} bytes; "
                f"Member must have length less than or equal to {INPUT_LIMIT_BYTES}"
            )
        result: ActionResult = original(self)
        return result

    original = patches.replace(StepFunctionResponse, "start_execution", start)


class _Moment:
    """The clock's time as the interpreter asks for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self, tz: Any = None) -> Any:
        moment = self._clock.now()
        # Without a zone the interpreter compares with what it has read as UTC.
        return _Spelled.of(moment) if tz else moment.replace(tzinfo=None)

    strptime = staticmethod(datetime.strptime)


class _Spelled(datetime):
    """A time whose text is the one that Step Functions writes: milliseconds and a Z."""

    @classmethod
    def of(cls, moment: datetime) -> "_Spelled":
        return cls.fromtimestamp(moment.timestamp(), UTC)

    def isoformat(self, *_: Any, **__: Any) -> str:
        return f"{super().isoformat(timespec='milliseconds')[:23]}Z"


def _date_on_the_clock(patches: Patches, clock: Clock) -> None:
    """moto dates executions, states and events by the wall clock, and compares a Wait's Timestamp with local time."""
    fake = types.SimpleNamespace(datetime=_Moment(clock), timezone=types.SimpleNamespace(utc=UTC))
    patches.replace(state_module, "datetime", fake)
    patches.replace(timestamp, "datetime", fake)
    patches.replace(event_manager.EventManager, "_get_current_timestamp", staticmethod(clock.now))

    def start(self: execution.Execution) -> None:
        self.start_date = clock.now()
        start_original(self)

    def reflect(self: execution.BaseExecutionWorkerCommunication) -> None:
        reflect_original(self)
        self.execution.stop_date = clock.now()

    start_original = patches.replace(execution.Execution, "start", start)
    reflect_original = patches.replace(execution.BaseExecutionWorkerCommunication, "_reflect_execution_status", reflect)


def _tell_eventbridge(patches: Patches, emit: Emit) -> None:
    """moto tells nobody that an execution began or ended.

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """

    def tell(changed: Any) -> None:
        emit("aws.states", "Step Functions Execution Status Change", _detail(changed), [changed.exec_arn])

    def start(self: execution.Execution) -> None:
        start_original(self)
        tell(self)

    def reflect(self: execution.BaseExecutionWorkerCommunication) -> None:
        reflect_original(self)
        tell(self.execution)

    start_original = patches.replace(execution.Execution, "start", start)
    reflect_original = patches.replace(execution.BaseExecutionWorkerCommunication, "_reflect_execution_status", reflect)


def _detail(changed: Any) -> dict[str, Any]:
    output = to_json_str(changed.output) if changed.status == "SUCCEEDED" else None
    return {
        "executionArn": changed.exec_arn,
        "stateMachineArn": changed.state_machine_arn,
        "name": changed.name,
        "status": changed.status,
        "startDate": _milliseconds(changed.start_date),
        "stopDate": _milliseconds(changed.stop_date),
        "input": changed.execution_input,
        "output": output,
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": "local AWS does not emulate RedriveExecution",
        "inputDetails": {"included": True},
        "outputDetails": {"included": True} if output is not None else None,
        "error": changed.error,
        "cause": changed.cause,
    }


def _milliseconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp() * 1000) if moment else None


def _describe_every_end(patches: Patches) -> None:
    """moto leaves out when an execution timed out, and quotes no output that is a text."""

    def describe(self: StepFunctionResponse) -> ActionResult:
        described: Any = describe_original(self).result
        found = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        ended = {"stopDate": found.stop_date} if found.status == "TIMED_OUT" else {}
        output = {"output": to_json_str(found.output)} if found.status == "SUCCEEDED" else {}
        return ActionResult({**described, **ended, **output, "redriveCount": 0, "redriveStatus": "NOT_REDRIVABLE"})

    def listed(self: StepFunctionResponse) -> ActionResult:
        answer: Any = list_original(self).result
        for item in answer["executions"]:
            if item["status"] == "TIMED_OUT":
                item["stopDate"] = self.stepfunction_backend.describe_execution(item["executionArn"]).stop_date
        return ActionResult(answer)

    describe_original = patches.replace(StepFunctionResponse, "describe_execution", describe)
    list_original = patches.replace(StepFunctionResponse, "list_executions", listed)


def _page_histories(patches: Patches) -> None:
    """moto answers a whole history, oldest first, whatever was asked."""

    def history(self: StepFunctionResponse) -> ActionResult:
        events = list(original(self).result["events"])
        if self._get_param("reverseOrder"):
            events.reverse()
        if self._get_param("includeExecutionData") is False:
            events = [_without_data(event) for event in events]
        size = min(self._get_int_param("maxResults") or _PAGE, _LARGEST_PAGE)
        token = self._get_param("nextToken") or "0"
        if not token.isdigit():
            raise ValidationException(f"Invalid Token: '{token}'")
        begin = int(token)
        answer: dict[str, Any] = {"events": events[begin : begin + size]}
        if begin + size < len(events):
            answer["nextToken"] = str(begin + size)
        return ActionResult(answer)

    original = patches.replace(StepFunctionResponse, "get_execution_history", history)


def _without_data(event: Mapping[str, Any]) -> dict[str, Any]:
    data = {"input", "output", "parameters", "result"}
    return {
        name: {key: item for key, item in value.items() if key not in data} if isinstance(value, dict) else value
        for name, value in event.items()
    }


def _end_at_the_histories_limit(patches: Patches) -> None:
    """moto's histories grow without end; on AWS the 25,000th event is an execution's last.

    https://docs.aws.amazon.com/step-functions/latest/dg/bp-history-limit.html
    """

    def add(self: event_manager.EventManager, context: Any, event_type: Any, *rest: Any, **named: Any) -> int:
        upcoming = self._event_id_gen._next_id  # noqa: SLF001 - the history itself is copied at every look
        if upcoming >= HISTORY_LIMIT and event_type not in _LAST_EVENTS:
            raise HistoryFullError(context)
        event_id: int = original(self, context, event_type, *rest, **named)
        return event_id

    original = patches.replace(event_manager.EventManager, "add_event", add)


_LAST_EVENTS = frozenset(
    {
        HistoryEventType.ExecutionAborted,
        HistoryEventType.ExecutionFailed,
        HistoryEventType.ExecutionSucceeded,
        HistoryEventType.ExecutionTimedOut,
    }
)


class HistoryFullError(FailureEventException):
    """Ends the execution, whatever its machine catches."""

    def __init__(self, context: Any) -> None:
        name = StatesErrorName(typ=StatesErrorNameType.StatesRuntime)
        cause = f"The execution reached the maximum number of history events ({HISTORY_LIMIT})."
        self._details = ExecutionFailedEventDetails(error=name.error_name, cause=cause)
        described: Any = {"executionFailedEventDetails": self._details}  # moto's type asks for every kind at once
        # An environment of which the event takes these two.
        place: Any = types.SimpleNamespace(next_state_name=None, event_history_context=context)
        super().__init__(FailureEvent(place, name, HistoryEventType.ExecutionFailed, described))

    def get_execution_failed_event_details(self) -> ExecutionFailedEventDetails:
        return self._details


def _keep_why_a_task_failed(patches: Patches) -> None:
    """moto drops the cause that SendTaskFailure gives."""

    def fail(self: StepFunctionResponse) -> ActionResult:
        backend: Any = self.stepfunction_backend
        backend.send_task_failure(
            self._get_param("taskToken"), error=self._get_param("error"), cause=self._get_param("cause")
        )
        return EmptyResult()

    patches.replace(StepFunctionResponse, "send_task_failure", fail)
