"""What the state machines of a release rely on, each proved on a machine of its own."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builders.stacks import settled
from tests.integration.local_core.aws import Aws, unique, until
from tests.integration.local_core.conftest import TIME_SCALE

TASK = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke"}
RAISES = """
class EndpointBusyError(Exception): pass
def handler(event, context):
    raise EndpointBusyError('blue says "wait"\\nand means it')
"""
FAILS_TWICE = """
calls = 0
class ServiceUnavailableError(Exception): pass
def handler(event, context):
    global calls
    calls += 1
    if calls < 3:
        raise ServiceUnavailableError(f"attempt {calls}")
    return {"attempts": calls}
"""
ECHOES = "def handler(event, context):\n    return event\n"
FAILS_LATE = "import time\ndef handler(event, context):\n    time.sleep(2)\n    raise ValueError('late')\n"
SLEEPS = "import time\ndef handler(event, context):\n    time.sleep(30)\n"


def jsonata(start: str, **states: dict[str, Any]) -> dict[str, Any]:
    return {
        "QueryLanguage": "JSONata",
        "StartAt": start,
        "States": {name.replace("_", " "): state for name, state in states.items()},
    }


def caught(function: str, *errors: str, **task: Any) -> dict[str, Any]:
    """A machine that says which error it caught."""
    return jsonata(
        "Ask",
        Ask={
            **TASK,
            "Arguments": {"FunctionName": function, "Payload": {}},
            **task,
            "Catch": [
                {
                    "ErrorEquals": list(errors),
                    "Assign": {"error": "{% $states.errorOutput.Error %}", "cause": "{% $states.errorOutput.Cause %}"},
                    "Next": "Caught",
                }
            ],
            "End": True,
        },
        Caught={"Type": "Succeed", "Output": {"error": "{% $error %}", "cause": "{% $cause %}"}},
    )


@pytest.mark.parametrize("error", ["EndpointBusyError", "States.TaskFailed", "States.ALL"])
def test_a_functions_error_is_caught_by_its_class_or_as_a_failed_task(aws: Aws, error: str) -> None:
    ended = aws.run(aws.machine(caught(aws.function(RAISES), error)))

    assert ended["status"] == "SUCCEEDED", ended
    output = json.loads(ended["output"])
    assert output["error"] == "EndpointBusyError"
    assert json.loads(output["cause"])["errorMessage"] == 'blue says "wait"\nand means it'


def test_an_error_that_no_catch_names_fails_the_execution_with_its_class(aws: Aws) -> None:
    ended = aws.run(aws.machine(caught(aws.function(RAISES), "LeaseHeldError")))

    assert (ended["status"], ended["error"]) == ("FAILED", "EndpointBusyError")


def test_a_task_that_outlives_its_limit_is_a_timeout_and_no_failed_task(aws: Aws) -> None:
    function = aws.function(SLEEPS, timeout_s=60)

    ended = aws.run(aws.machine(caught(function, "States.Timeout", TimeoutSeconds=1)))
    assert json.loads(ended["output"])["error"] == "States.Timeout", ended

    ended = aws.run(aws.machine(caught(function, "States.TaskFailed", TimeoutSeconds=1)))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")


def test_a_function_that_outlives_its_own_limit_fails_its_task(aws: Aws) -> None:
    ended = aws.run(aws.machine(caught(aws.function(SLEEPS, timeout_s=1), "States.TaskFailed")))

    output = json.loads(ended["output"])
    assert output["error"] == "Sandbox.Timedout"
    assert "timed out after 1.00 seconds" in json.loads(output["cause"])["errorMessage"]


def test_a_missing_function_is_an_error_of_the_lambda_service(aws: Aws) -> None:
    ended = aws.run(aws.machine(caught("no-such-function", "Lambda.ResourceNotFoundException")))

    assert json.loads(ended["output"])["error"] == "Lambda.ResourceNotFoundException", ended


def test_retry_repeats_a_named_error_until_the_function_answers(aws: Aws) -> None:
    retry = {
        "ErrorEquals": ["ServiceUnavailableError"],
        "IntervalSeconds": 2,
        "BackoffRate": 2,
        "MaxAttempts": 4,
        "JitterStrategy": "FULL",
    }
    machine = jsonata(
        "Ask",
        Ask={
            **TASK,
            "Arguments": {"FunctionName": aws.function(FAILS_TWICE), "Payload": {}},
            "Retry": [retry],
            "Output": "{% $states.result.Payload %}",
            "End": True,
        },
    )

    ended = aws.run(aws.machine(machine))

    assert json.loads(ended["output"]) == {"attempts": 3}, ended


def test_a_machine_carries_words_from_state_to_state_and_chooses_by_them(aws: Aws) -> None:
    machine = jsonata(
        "Ask",
        Ask={
            **TASK,
            "TimeoutSeconds": 30,
            "Arguments": {
                "FunctionName": aws.function(ECHOES),
                "Payload": {
                    "progress": "{% $states.input.progress %}",
                    "pollSeconds": 60,
                    "name": "{% $states.context.Execution.Name %}",
                },
            },
            "Assign": {
                "progress": "{% $states.result.Payload.progress %}",
                "pollSeconds": "{% $states.result.Payload.pollSeconds %}",
            },
            "Output": "{% $states.result.Payload %}",
            "Next": "Wait a little",
        },
        Wait_a_little={"Type": "Wait", "Seconds": "{% $pollSeconds %}", "Next": "Arrived?"},
        **{
            "Arrived?": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": "{% $progress = 'arrived' and $states.input.pollSeconds = 60 %}", "Next": "Live"}
                ],
                "Default": "Lost",
            }
        },
        Live={"Type": "Succeed", "Output": {"progress": "{% $progress %}", "name": "{% $states.input.name %}"}},
        Lost={"Type": "Fail", "Error": "{% 'RolloutFailedError' %}", "Cause": "{% 'saw \"' & $progress & '\"' %}"},
    )
    arn = aws.machine(machine)

    began = time.monotonic()
    live = aws.run(arn, progress="arrived")
    spent_s = time.monotonic() - began
    lost = aws.run(arn, progress="lost")

    name = live["executionArn"].rsplit(":", 1)[-1]
    assert json.loads(live["output"]) == {"progress": "arrived", "name": name}
    assert 60 / TIME_SCALE <= spent_s < 10, "a minute of AWS passed, on the scaled clock"
    assert (lost["status"], lost["error"], lost["cause"]) == ("FAILED", "RolloutFailedError", 'saw "lost"')


def test_an_expression_that_finds_nothing_is_a_query_error_that_catch_sees(aws: Aws) -> None:
    assign = {"word": "{% $states.result.Payload.nothing %}"}
    machine = caught(aws.function(ECHOES), "States.QueryEvaluationError", Assign=assign)
    ended = aws.run(aws.machine(machine))
    assert json.loads(ended["output"])["error"] == "States.QueryEvaluationError", ended


def test_an_expression_that_cannot_be_computed_is_a_query_error_that_catch_sees(aws: Aws) -> None:
    machine = caught(aws.function(ECHOES), "States.QueryEvaluationError", Assign={"number": "{% 1 + 'one' %}"})
    ended = aws.run(aws.machine(machine))
    assert json.loads(ended["output"])["error"] == "States.QueryEvaluationError", ended


def test_a_choice_whose_condition_breaks_fails_the_execution(aws: Aws) -> None:
    machine = jsonata(
        "Which?",
        **{
            "Which?": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $states.input.a < 'b' %}", "Next": "Done"}],
                "Default": "Done",
            }
        },
        Done={"Type": "Succeed"},
    )
    ended = aws.run(aws.machine(machine), a=1)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.QueryEvaluationError")


def test_a_machines_own_limit_runs_on_the_scaled_clock(aws: Aws) -> None:
    machine = {**jsonata("Sleep", Sleep={"Type": "Wait", "Seconds": 3600, "End": True}), "TimeoutSeconds": 60}

    began = time.monotonic()
    ended = aws.run(aws.machine(machine))

    assert ended["status"] == "TIMED_OUT"
    assert 60 / TIME_SCALE <= time.monotonic() - began < 8


def test_an_execution_can_be_stopped_with_a_reason(aws: Aws) -> None:
    states = aws.client("stepfunctions")
    machine = aws.machine(jsonata("Sleep", Sleep={"Type": "Wait", "Seconds": 3600, "End": True}))
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]
    states.stop_execution(executionArn=execution, error="Aborted", cause="a person said so")

    ended = aws.ended(execution)

    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "Aborted", "a person said so")


def test_a_stopped_execution_stays_aborted_though_its_call_fails(aws: Aws) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
    states, function = aws.client("stepfunctions"), aws.function(FAILS_LATE)
    task = {**TASK, "Arguments": {"FunctionName": function}, "End": True}
    execution = states.start_execution(stateMachineArn=aws.machine(jsonata("Task", Task=task)))["executionArn"]

    def called() -> bool | None:
        events = states.get_execution_history(executionArn=execution)["events"]
        return any(event["type"] == "TaskStarted" for event in events) or None

    until(called)
    states.stop_execution(executionArn=execution, cause="a person said so")

    ended = aws.ended(execution)

    assert (ended["status"], ended["cause"]) == ("ABORTED", "a person said so")


def test_an_execution_name_is_used_once(aws: Aws) -> None:
    states = aws.client("stepfunctions")
    machine = aws.machine(jsonata("Done", Done={"Type": "Succeed"}))
    first = states.start_execution(stateMachineArn=machine, name="rollout-1", input='{"a": 1}')["executionArn"]
    aws.ended(first)

    with pytest.raises(ClientError) as refused:
        states.start_execution(stateMachineArn=machine, name="rollout-1", input='{"a": 2}')

    assert refused.value.response["Error"]["Code"] == "ExecutionAlreadyExists"
    arns = {states.start_execution(stateMachineArn=machine)["executionArn"] for _ in range(2)}
    assert len(arns) == 2
    assert not any(arn.endswith(":None") for arn in arns)


def test_an_sdk_task_speaks_pascal_case_and_gives_dates_as_text(aws: Aws) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:sfn:listStateMachines",
        "Arguments": {"MaxResults": 1},
        "Output": {
            "name": "{% $states.result.StateMachines[0].Name %}",
            "made": "{% $states.result.StateMachines[0].CreationDate %}",
        },
        "End": True,
    }
    role = aws.role("states:ListStateMachines")

    ended = aws.run(aws.machine(jsonata("List", List=task), role))

    output = json.loads(ended["output"])
    assert output["name"].startswith("machine-")
    assert output["made"][:2] == "20"


@pytest.mark.parametrize(
    ("resource", "arguments", "error"),
    [
        ("s3:getObject", {"Bucket": "no-such-bucket", "Key": "k"}, "S3.NoSuchBucketException"),
        ("ssm:getParameter", {"Name": "/none"}, "Ssm.ParameterNotFoundException"),
        ("dynamodb:describeTable", {"TableName": "none"}, "DynamoDb.ResourceNotFoundException"),
        (
            "sfn:describeExecution",
            {"ExecutionArn": "arn:aws:states:us-east-1:123456789012:execution:m:none"},
            "Sfn.ExecutionDoesNotExistException",
        ),
    ],
)
def test_an_sdk_tasks_error_has_the_name_that_aws_gives_it(
    aws: Aws, resource: str, arguments: dict[str, Any], error: str
) -> None:
    task = {
        "Type": "Task",
        "Resource": f"arn:aws:states:::aws-sdk:{resource}",
        "Arguments": arguments,
        "Catch": [{"ErrorEquals": [error], "Next": "Caught"}],
        "End": True,
    }
    service, _, operation = resource.partition(":")
    action = {"sfn": "states"}.get(service, service) + ":" + operation[0].upper() + operation[1:]
    role = aws.role(action, "s3:ListBucket")
    ended = aws.run(aws.machine(jsonata("Ask", Ask=task, Caught={"Type": "Succeed"}), role))

    assert ended["status"] == "SUCCEEDED", ended


def test_a_templates_machine_is_one_that_runs_with_its_substitutions(aws: Aws) -> None:
    name = unique("templated")
    properties = {
        "StateMachineName": name,
        "RoleArn": aws.role("lambda:InvokeFunction"),
        "DefinitionString": json.dumps(jsonata("Done", Done={"Type": "Succeed", "Output": {"word": "${Word}"}})),
        "DefinitionSubstitutions": {"Word": "hello"},
    }
    template = {
        "Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}},
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Machine", "Arn"]}}, "Ref": {"Value": {"Ref": "Machine"}}},
    }
    stacks = aws.client("cloudformation")
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(template))

    stack = settled(stacks, name)
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    assert outputs["Arn"] == outputs["Ref"]
    assert json.loads(aws.run(outputs["Ref"])["output"]) == {"word": "hello"}
