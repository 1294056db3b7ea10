"""What this moto's Step Functions lack; when one of these turns red, its patch can go."""

import inspect

import pytest
from moto.core.config import default_user_config
from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.jsonata import jsonata
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from local.moto_patches import step_functions, step_functions_tasks
from tests.builders.gaps import justifies


@justifies(step_functions._interpret_machines)
def test_moto_runs_no_machine_unless_told() -> None:
    assert default_user_config["stepfunctions"] == {"execute_state_machine": False}


@justifies(step_functions._evaluate_jsonata)
def test_moto_has_no_jsonata_evaluator() -> None:
    with pytest.raises(TypeError):
        jsonata.eval_jsonata_expression("1 + 1")


@justifies(step_functions._quote_variables)
def test_moto_does_not_quote_strings_in_variables() -> None:
    assert jsonata.encode_jsonata_variable_declarations({"$cause": 'a "b"'}) == '$cause:="a "b"";'


@justifies(step_functions._wait_on_the_clock)
def test_moto_waits_on_the_wall_clock() -> None:
    assert "time.time()" in inspect.getsource(WaitFunction._wait_interval)
    assert "time.sleep(" in inspect.getsource(RetrierDecl._eval_body)


@justifies(step_functions._time_out_machines_on_the_clock)
def test_moto_times_machines_out_on_the_wall_clock() -> None:
    assert "join(timeout=timeout)" in inspect.getsource(Program.eval)


@justifies(step_functions._name_query_errors)
def test_moto_does_not_name_an_expression_that_fails() -> None:
    assert "QueryEvaluationError" not in inspect.getsource(string_expression)


@justifies(step_functions._name_executions)
def test_moto_gives_a_nameless_execution_no_name() -> None:
    assert "name or" not in inspect.getsource(StepFunctionsParserBackend.start_execution)


@justifies(step_functions._keep_why_an_execution_was_stopped)
def test_moto_stops_an_execution_without_its_reason() -> None:
    assert "cause" not in inspect.getsource(StepFunctionResponse.stop_execution)


@justifies(step_functions._let_a_stop_be_final)
def test_moto_lets_an_error_replace_a_stop() -> None:
    assert "isinstance" not in inspect.getsource(Environment.set_error)
    assert "isinstance" in inspect.getsource(Environment.set_stop)


@justifies(step_functions_tasks._call_as_the_machines_role)
def test_moto_calls_services_with_nobodys_keys() -> None:
    assert 'aws_access_key_id="ak"' in inspect.getsource(boto_client.boto_client_for)


@justifies(step_functions_tasks._name_sdk_services)
def test_moto_knows_few_services_error_names() -> None:
    assert "sagemaker" not in state_task_service_aws_sdk._SERVICE_ERROR_NAMES


@justifies(step_functions_tasks._spell_parameters_and_answers)
def test_moto_spells_no_parameters() -> None:
    task = state_task_service.StateTaskService
    for method in (task._normalise_parameters, task._normalise_response):
        assert inspect.getsource(method).rstrip().endswith("pass")
