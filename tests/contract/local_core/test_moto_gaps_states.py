"""What this moto's Step Functions checks, dates, tells and limits; when one of these turns red, its patch can go."""

import inspect
import json
from typing import Any

from moto.core.exceptions import AWSError
from moto.stepfunctions.parser import api
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackEndpoint, HeartbeatEndpoint
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.backend import execution
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from local.moto_patches import (
    step_functions_definitions,
    step_functions_errors,
    step_functions_executions,
    step_functions_tasks,
)
from tests.builders.gaps import justifies


def source(part: Any) -> str:
    return inspect.getsource(part)


@justifies(step_functions_definitions._refuse_invalid_definitions)
def test_moto_takes_a_machine_that_starts_nowhere() -> None:
    lost = {"StartAt": "Nope", "States": {"A": {"Type": "Succeed"}}}

    StepFunctionsParserBackend._validate_definition(json.dumps(lost))


@justifies(step_functions_definitions._refuse_express_machines)
def test_moto_runs_express_machines_as_standard_ones() -> None:
    assert "EXPRESS" not in source(StepFunctionResponse) + source(StepFunctionsParserBackend)


@justifies(step_functions_definitions._validate_on_request)
def test_moto_validates_no_definition_on_request() -> None:
    assert not hasattr(StepFunctionResponse, "validate_state_machine_definition")


@justifies(step_functions_errors._name_errors)
def test_motos_interpreter_gives_its_errors_no_name_that_a_client_sees() -> None:
    assert issubclass(api.InvalidDefinition, AWSError)
    assert api.InvalidDefinition.TYPE is None


@justifies(step_functions_errors._let_all_match_no_terminal_error)
def test_motos_all_matches_everything() -> None:
    assert "DataLimitExceeded" not in source(ErrorEqualsDecl)


@justifies(step_functions_errors._catch_what_an_output_breaks)
def test_moto_asks_catch_before_it_computes_the_output() -> None:
    assert source(CommonStateField._eval_body).index("_eval_state(env)") < source(CommonStateField._eval_body).index(
        "_eval_state_output("
    )
    assert "except" not in source(ExecutionState._eval_state_output)


@justifies(step_functions_errors._catch_missed_heartbeats)
def test_moto_calls_no_error_a_missed_heartbeat() -> None:
    assert "HeartbeatTimeout" not in source(StateTaskServiceCallback._from_error)


@justifies(step_functions_executions._check_what_starts)
def test_moto_checks_no_execution_name() -> None:
    assert "TODO: validate name format" in source(StepFunctionsParserBackend.start_execution)


@justifies(step_functions_executions._date_on_the_clock)
def test_moto_dates_by_the_wall_clock() -> None:
    assert "datetime.datetime.now" in source(EventManager._get_current_timestamp)
    assert "datetime.datetime.now" in source(CommonStateField._eval_body)


@justifies(step_functions_executions._tell_eventbridge)
def test_moto_tells_nobody_of_executions() -> None:
    assert "Execution Status Change" not in source(execution)


@justifies(step_functions_executions._describe_every_end)
def test_moto_leaves_out_when_an_execution_timed_out() -> None:
    assert "TIMED_OUT" not in source(StepFunctionResponse.describe_execution)
    assert "TIMED_OUT" not in source(StepFunctionResponse.list_executions)


@justifies(step_functions_executions._page_histories)
def test_moto_pages_no_history() -> None:
    assert "maxResults" not in source(StepFunctionResponse.get_execution_history)


@justifies(step_functions_executions._end_at_the_histories_limit)
def test_motos_histories_have_no_limit() -> None:
    assert "25" not in source(EventManager.add_event)


@justifies(step_functions_executions._keep_why_a_task_failed)
def test_moto_drops_the_cause_of_a_failed_task() -> None:
    assert "cause" not in source(StepFunctionResponse.send_task_failure)


@justifies(step_functions_tasks._do_without_request_ids)
def test_moto_needs_a_request_id_in_every_error() -> None:
    assert '["ResponseMetadata"]["RequestId"]' in source(StateTaskServiceAwsSdk._from_error).replace("'", '"')


@justifies(step_functions_tasks._wait_for_callbacks_on_the_clock)
def test_moto_waits_for_tokens_on_the_wall_clock() -> None:
    assert "wait(timeout=timeout)" in source(CallbackEndpoint.wait)
    assert "wait(timeout=self._heartbeat_seconds)" in source(HeartbeatEndpoint.clear_and_wait)
