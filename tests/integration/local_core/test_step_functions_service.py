"""Step Functions as its callers see it: what it accepts, how executions end, what their histories and events say."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.moto_patches import step_functions_executions
from local.supervisor import Settings, Supervisor
from tests.integration.local_core.aws import Aws, unique, until

DONE = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
JSONATA = {"QueryLanguage": "JSONata"}
ANSWERS = "def handler(event, context):\n    return event.get('answer', 'nothing')\n"


def one(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A machine of one state, and of those that it goes to."""
    return {"StartAt": "A", "States": {"A": state, **more.pop("states", {})}, **more}


def ended(aws: Aws, definition: dict[str, Any], *actions: str, **event: Any) -> dict[str, Any]:
    return aws.run(aws.machine(definition, aws.role(*(actions or ("lambda:InvokeFunction",)))), **event)


def code_of(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**request)
    return str(refused.value.response["Error"]["Code"])


# Definitions ----------------------------------------------------------------------------------------------------------

TASK = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}
ITERATION = {"StartAt": "B", "States": {"B": {"Type": "Pass", "End": True}}}
DISTRIBUTED = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **ITERATION}
LOST = [{"ErrorEquals": ["E"], "Next": "Nope"}]
MISSING, FAULTY = "MISSING_TRANSITION_TARGET", "SCHEMA_VALIDATION_FAILED"
INVALID = [
    ({"StartAt": "Nope", "States": DONE["States"]}, MISSING, "/StartAt"),
    (one({"Type": "Pass", "Next": "Nope"}), MISSING, "/States/A/Next"),
    (one({"Type": "Pass", "End": True}, states={"B": {"Type": "Succeed"}}), MISSING, "/States/B"),
    (one({"Type": "Pass"}), FAULTY, "/States/A"),
    (one({"Type": "Choice"}), FAULTY, "/States/A"),
    (one({"Type": "Skip", "End": True}), FAULTY, "/"),
    (one({**TASK, "Arguments": {}}), FAULTY, "/States/A"),
    (one({**TASK, "TimeoutSeconds": 0}), FAULTY, "/States/A/TimeoutSeconds"),
    (one({**TASK, "Catch": LOST}), MISSING, "/States/A/Catch[0]/Next"),
    (
        one({"Type": "Pass", "Output": "{% 1 + %}", "End": True}, **JSONATA),
        "INVALID_JSONATA_EXPRESSION",
        "/States/A/Output",
    ),
    (
        one({"Type": "Parallel", "Branches": [{"StartAt": "X", "States": ITERATION["States"]}], "End": True}),
        MISSING,
        "/States/A/Branches[0]/StartAt",
    ),
    (
        one({"Type": "Map", "ItemProcessor": DISTRIBUTED, "End": True}),
        "NOT_EMULATED",
        "/States/A/ItemProcessor",
    ),
]


@pytest.mark.parametrize(("definition", "code", "location"), INVALID)
def test_an_invalid_definition_is_named_and_makes_no_machine(
    aws: Aws, definition: dict[str, Any], code: str, location: str
) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinition.html
    states, text = aws.client("stepfunctions"), json.dumps(definition)

    validated = states.validate_state_machine_definition(definition=text)

    assert validated["result"] == "FAIL"
    assert (code, location) in {(problem["code"], problem["location"]) for problem in validated["diagnostics"]}
    request = {"name": unique("bad"), "definition": text, "roleArn": aws.role("lambda:InvokeFunction")}
    assert code_of(states.create_state_machine, **request) == "InvalidDefinition"
    known = aws.machine(DONE)
    assert code_of(states.update_state_machine, stateMachineArn=known, definition=text) == "InvalidDefinition"


def test_a_valid_definition_has_no_diagnostics(aws: Aws) -> None:
    validated = aws.client("stepfunctions").validate_state_machine_definition(definition=json.dumps(DONE))

    assert (validated["result"], validated["diagnostics"]) == ("OK", [])


def test_what_is_not_emulated_is_refused_by_name(aws: Aws) -> None:
    states, machine = aws.client("stepfunctions"), aws.machine(DONE)
    express = {"name": unique("express"), "definition": json.dumps(DONE), "roleArn": aws.role("s3:GetObject")}

    assert code_of(states.create_state_machine, **express, type="EXPRESS") == "StateMachineTypeNotSupported"
    assert code_of(states.publish_state_machine_version, stateMachineArn=machine) == "NotImplemented"
    assert code_of(states.redrive_execution, executionArn=aws.run(machine)["executionArn"]) == "NotImplemented"


# Executions -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["with space", "a/b", "colon:", "x" * 81, "a*"])
def test_a_name_that_no_execution_may_have_is_refused(aws: Aws, name: str) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    start = aws.client("stepfunctions").start_execution

    assert code_of(start, stateMachineArn=aws.machine(DONE), name=name) == "InvalidName"


def test_starting_again_what_runs_with_the_same_input_is_the_same_execution(aws: Aws) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    states = aws.client("stepfunctions")
    machine = aws.machine(one({"Type": "Wait", "Seconds": 3600, "End": True}))
    request = {"stateMachineArn": machine, "name": "n"}

    first = states.start_execution(**request, input='{"a": 1}')
    second = states.start_execution(**request, input='{"a": 1}')

    assert second["executionArn"] == first["executionArn"]
    assert second["startDate"] == first["startDate"]
    assert code_of(states.start_execution, **request, input='{"a": 2}') == "ExecutionAlreadyExists"
    states.stop_execution(executionArn=first["executionArn"])
    aws.ended(first["executionArn"])
    assert code_of(states.start_execution, **request, input='{"a": 1}') == "ExecutionAlreadyExists"


def test_an_input_may_have_262144_bytes(aws: Aws) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    states, machine = aws.client("stepfunctions"), aws.machine(DONE)
    largest = json.dumps("x" * (262_144 - 2))

    assert code_of(states.start_execution, stateMachineArn=machine, input=f"{largest} ") == "ValidationException"
    assert code_of(states.start_execution, stateMachineArn=machine, input="{not json") == "InvalidExecutionInput"
    arn = states.start_execution(stateMachineArn=machine, input=largest)["executionArn"]
    assert aws.ended(arn)["status"] == "SUCCEEDED"


def test_a_text_as_output_is_json(aws: Aws) -> None:
    execution = ended(aws, one({"Type": "Pass", "Output": "{% 'a' & 'b' %}", "End": True}, **JSONATA))

    assert execution["output"] == '"ab"'


def test_dates_run_on_the_clock_of_the_embedded_aws(aws: Aws) -> None:
    definition = {
        **JSONATA,
        "StartAt": "Wait",
        "States": {
            "Wait": {"Type": "Wait", "Seconds": 600, "Next": "Say"},
            "Say": {"Type": "Pass", "Output": "{% $states.context.State.EnteredTime %}", "End": True},
        },
    }

    execution = ended(aws, definition)

    assert (execution["stopDate"] - execution["startDate"]).total_seconds() >= 600
    entered = json.loads(execution["output"])
    assert entered.endswith("Z")
    at = datetime.strptime(entered, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert (at - execution["startDate"]).total_seconds() >= 599
    history = aws.client("stepfunctions").get_execution_history(executionArn=execution["executionArn"])["events"]
    assert (history[-1]["timestamp"] - history[0]["timestamp"]).total_seconds() >= 599


def test_executions_are_listed_by_status_and_in_pages(aws: Aws) -> None:
    states = aws.client("stepfunctions")
    machine = aws.machine(
        {**one({"Type": "Wait", "Seconds": 3600, "End": True}), "TimeoutSeconds": 1}, aws.role("s3:GetObject")
    )
    timed_out = [aws.run(machine)["executionArn"] for _ in range(3)]

    pages = list(
        states.get_paginator("list_executions").paginate(
            stateMachineArn=machine, statusFilter="TIMED_OUT", PaginationConfig={"PageSize": 2}
        )
    )

    assert [len(page["executions"]) for page in pages] == [2, 1]
    listed = [item for page in pages for item in page["executions"]]
    assert {item["executionArn"] for item in listed} == set(timed_out)
    assert all(item["stopDate"] > item["startDate"] for item in listed)
    assert states.list_executions(stateMachineArn=machine, statusFilter="FAILED")["executions"] == []


def test_a_history_comes_in_pages_backwards_and_without_data_if_asked(aws: Aws) -> None:
    states = aws.client("stepfunctions")
    arn = ended(aws, one({"Type": "Pass", "End": True}), secret="word")["executionArn"]
    paginator = states.get_paginator("get_execution_history")

    forwards = [
        event["id"]
        for page in paginator.paginate(executionArn=arn, PaginationConfig={"PageSize": 3})
        for event in page["events"]
    ]
    first = states.get_execution_history(executionArn=arn, maxResults=3)
    backwards = states.get_execution_history(executionArn=arn, reverseOrder=True)["events"]
    bare = states.get_execution_history(executionArn=arn, includeExecutionData=False)["events"]

    assert forwards == [1, 2, 3, 4]
    assert len(first["events"]) == 3
    assert backwards[0]["type"] == "ExecutionSucceeded"
    assert "word" in str(backwards)
    assert "word" not in str(bare)


@pytest.fixture
def of_thirty_events(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """An embedded AWS in this process whose histories are full much earlier."""
    monkeypatch.setattr(step_functions_executions, "HISTORY_LIMIT", 30)
    supervisor = Supervisor(Settings(port=0))
    supervisor.start()
    yield Aws(supervisor.world.url, os.getpid())
    supervisor.stop()


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_the_25000th_event_is_the_last(aws: Aws) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/bp-history-limit.html
    _fill_a_history(aws, 25_000)


def test_the_event_at_the_limit_is_the_last(of_thirty_events: Aws) -> None:
    _fill_a_history(of_thirty_events, 30)


def test_a_history_has_25000_events() -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
    assert step_functions_executions.HISTORY_LIMIT == 25_000


def _fill_a_history(aws: Aws, limit: int) -> None:
    states = aws.client("stepfunctions")
    loop = one({"Type": "Pass", "Next": "B"}, states={"B": {"Type": "Pass", "Next": "A"}})
    arn = states.start_execution(stateMachineArn=aws.machine(loop))["executionArn"]

    def described() -> dict[str, Any] | None:
        answer: dict[str, Any] = states.describe_execution(executionArn=arn)
        return None if answer["status"] == "RUNNING" else answer

    execution = until(described, 240)

    assert execution["status"] == "FAILED"
    assert execution["cause"] == f"The execution reached the maximum number of history events ({limit})."
    [last] = states.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)["events"]
    assert (last["id"], last["type"]) == (limit, "ExecutionFailed")


def test_eventbridge_hears_of_every_change_of_an_executions_status(aws: Aws) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    queue_url, queue_arn = aws.queue()
    machine = aws.machine(one({"Type": "Fail", "Error": "E", "Cause": "because"}))
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [machine]},
    }
    aws.rule(pattern, Arn=queue_arn)

    execution = aws.run(machine, a=1)

    events = [json.loads(message["Body"]) for message in aws.messages(queue_url, 2)]
    details = {event["detail"]["status"]: event["detail"] for event in events}
    assert set(details) == {"RUNNING", "FAILED"}
    assert {tuple(event["resources"]) for event in events} == {(execution["executionArn"],)}
    assert details["RUNNING"]["stopDate"] is None
    failed = details["FAILED"]
    assert (failed["error"], failed["cause"], json.loads(failed["input"])) == ("E", "because", {"a": 1})
    assert failed["stopDate"] >= failed["startDate"] == details["RUNNING"]["startDate"]
    assert abs(failed["startDate"] / 1000 - execution["startDate"].timestamp()) < 1


# Errors ---------------------------------------------------------------------------------------------------------------


def catching(state: dict[str, Any], *errors: str) -> dict[str, Any]:
    catch = {
        "ErrorEquals": list(errors),
        "Output": {"error": "{% $states.errorOutput.Error %}", "cause": "{% $states.errorOutput.Cause %}"},
        "Next": "Caught",
    }
    return one({**state, "Catch": [catch], "End": True}, states={"Caught": {"Type": "Succeed"}}, **JSONATA)


def invoke(function: str, **more: Any) -> dict[str, Any]:
    arguments = {"FunctionName": function, "Payload": {"answer": "{% $states.input.answer %}"}}
    return {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": arguments, **more}


@pytest.mark.parametrize("expression", ["{% $states.result.nothing %}", "{% 1 + 'one' %}"])
@pytest.mark.parametrize("error", ["States.QueryEvaluationError", "States.ALL"])
def test_an_output_that_cannot_be_computed_is_caught(aws: Aws, expression: str, error: str) -> None:
    # Measured on AWS in https://github.com/floci-io/floci/issues/2665: a Catch on the error fires.
    state = invoke(aws.function(ANSWERS), Output={"v": expression})

    execution = ended(aws, catching(state, error), answer="a")

    assert execution["status"] == "SUCCEEDED", execution
    assert json.loads(execution["output"])["error"] == "States.QueryEvaluationError"


def test_an_output_that_cannot_be_computed_fails_what_catches_something_else(aws: Aws) -> None:
    state = invoke(aws.function(ANSWERS), Output="{% $states.result.nothing %}")

    execution = ended(aws, catching(state, "States.Timeout"), answer="a")

    assert (execution["status"], execution["error"]) == ("FAILED", "States.QueryEvaluationError")
    assert "$states.result.nothing" in execution["cause"]


LARGE = "def handler(event, context):\n    return 'x' * event['answer']\n"


@pytest.mark.parametrize(
    ("errors", "status"), [(["States.ALL"], "FAILED"), (["States.DataLimitExceeded"], "SUCCEEDED")]
)
def test_too_large_an_answer_is_no_error_that_all_catches(aws: Aws, errors: list[str], status: str) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    state = invoke(aws.function(LARGE))

    execution = ended(aws, catching(state, *errors), answer=262_144)

    assert execution["status"] == status, execution
    said = execution if status == "FAILED" else json.loads(execution["output"])
    assert said["error"] == "States.DataLimitExceeded"


@pytest.mark.parametrize(
    ("operation", "arguments", "error"),
    [
        # ValidationException, which SageMaker's model does not have
        ("describeEndpoint", {"EndpointName": "none"}, "SageMaker.SageMakerException"),
        ("deleteEndpoint", {"EndpointName": "none"}, "SageMaker.SageMakerException"),
    ],
)
def test_sagemakers_errors_are_caught_by_the_names_of_the_java_sdk(
    aws: Aws, operation: str, arguments: dict[str, Any], error: str
) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
    task = {"Type": "Task", "Resource": f"arn:aws:states:::aws-sdk:sagemaker:{operation}", "Arguments": arguments}

    execution = ended(aws, catching(task, error), "sagemaker:*")

    assert json.loads(execution.get("output", "{}")).get("error") == error, execution


# Callbacks and children -----------------------------------------------------------------------------------------------


def waiting(queue_url: str, **more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Arguments": {"QueueUrl": queue_url, "MessageBody": {"token": "{% $states.context.Task.Token %}"}},
        **more,
    }


def token_of(aws: Aws, queue_url: str) -> str:
    [message] = aws.messages(queue_url, 1)
    return str(json.loads(message["Body"])["token"])


def test_a_task_waits_for_its_token_and_takes_the_answer(aws: Aws) -> None:
    states = aws.client("stepfunctions")
    queue_url, _ = aws.queue()
    machine = aws.machine(one({**waiting(queue_url), "End": True}, **JSONATA), aws.role("sqs:SendMessage"))
    arn = states.start_execution(stateMachineArn=machine)["executionArn"]
    token = token_of(aws, queue_url)

    assert states.describe_execution(executionArn=arn)["status"] == "RUNNING"
    states.send_task_success(taskToken=token, output='{"said": "yes"}')

    assert json.loads(aws.ended(arn)["output"]) == {"said": "yes"}


def test_a_failed_token_gives_error_and_cause(aws: Aws) -> None:
    states = aws.client("stepfunctions")
    queue_url, _ = aws.queue()
    machine = aws.machine(catching(waiting(queue_url), "NotToday"), aws.role("sqs:SendMessage"))
    arn = states.start_execution(stateMachineArn=machine)["executionArn"]

    states.send_task_failure(taskToken=token_of(aws, queue_url), error="NotToday", cause="it rains")

    assert json.loads(aws.ended(arn)["output"]) == {"error": "NotToday", "cause": "it rains"}


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"TimeoutSeconds": 200}, "States.Timeout"),
        ({"HeartbeatSeconds": 200}, "States.Timeout"),
        ({"HeartbeatSeconds": 200}, "States.HeartbeatTimeout"),
    ],
)
def test_a_token_that_nobody_answers_times_out_on_the_clock(aws: Aws, limits: dict[str, int], error: str) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    queue_url, _ = aws.queue()

    execution = ended(aws, catching(waiting(queue_url, **limits), error), "sqs:SendMessage")

    assert json.loads(execution["output"])["error"] == "States.Timeout", execution
    assert 200 <= (execution["stopDate"] - execution["startDate"]).total_seconds() < 3600
    history = aws.client("stepfunctions").get_execution_history(executionArn=execution["executionArn"])["events"]
    [scheduled] = [event["taskScheduledEventDetails"] for event in history if event["type"] == "TaskScheduled"]
    assert scheduled.get("timeoutInSeconds", scheduled.get("heartbeatInSeconds")) == 200


def test_a_token_that_is_none_is_refused(aws: Aws) -> None:
    states = aws.client("stepfunctions")

    assert code_of(states.send_task_success, taskToken="none", output="{}") == "InvalidToken"


@pytest.mark.parametrize(("suffix", "kind"), [(".sync:2", "object"), (".sync", "string")])
def test_a_machine_waits_for_another_and_takes_its_output(aws: Aws, suffix: str, kind: str) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html: sync:2 reads the JSON
    child = aws.machine(one({"Type": "Pass", "Result": {"c": 1}, "End": True}))
    task = {
        "Type": "Task",
        "Resource": f"arn:aws:states:::states:startExecution{suffix}",
        "Arguments": {"StateMachineArn": child, "Input": {"a": 1}},
        "Output": {"output": "{% $states.result.Output %}", "kind": "{% $type($states.result.Output) %}"},
        "End": True,
    }

    execution = ended(aws, one(task, **JSONATA), "states:StartExecution", "states:DescribeExecution")

    said = json.loads(execution["output"])
    assert said["kind"] == kind
    assert (json.loads(said["output"]) if kind == "string" else said["output"]) == {"c": 1}


def test_a_failed_child_fails_its_task(aws: Aws) -> None:
    child = aws.machine(one({"Type": "Fail", "Error": "E", "Cause": "because"}))
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Arguments": {"StateMachineArn": child},
    }

    execution = ended(aws, catching(task, "States.TaskFailed"), "states:StartExecution", "states:DescribeExecution")

    assert json.loads(json.loads(execution["output"])["cause"])["Error"] == "E", execution


def test_branches_and_items_run_and_keep_their_order(aws: Aws) -> None:
    item = {"Type": "Pass", "Output": "{% $states.input * 2 %}", "End": True}
    fan = {
        "Type": "Map",
        "Items": "{% $states.input.numbers %}",
        "MaxConcurrency": 2,
        "ItemProcessor": {"StartAt": "Double", "States": {"Double": item}},
        "End": True,
    }
    both = {
        "Type": "Parallel",
        "Branches": [
            {"StartAt": "Fan", "States": {"Fan": fan}},
            {"StartAt": "Same", "States": {"Same": {"Type": "Pass", "Output": "same", "End": True}}},
        ],
        "End": True,
    }

    execution = ended(aws, one(both, **JSONATA), numbers=[1, 2, 3])

    assert json.loads(execution["output"]) == [[2, 4, 6], "same"]


def test_paths_and_intrinsic_functions_of_jsonpath_work_too(aws: Aws) -> None:
    state = {
        "Type": "Pass",
        "Parameters": {
            "text.$": "States.Format('{}-{}', $.a, States.ArrayLength($.list))",
            "sum.$": "States.MathAdd(1, 2)",
            "name.$": "$$.Execution.Name",
        },
        "ResultPath": "$.made",
        "OutputPath": "$.made",
        "End": True,
    }

    execution = ended(aws, one(state), a="x", list=[1, 2])

    name = execution["executionArn"].rsplit(":", 1)[-1]
    assert json.loads(execution["output"]) == {"text": "x-2", "sum": 3, "name": name}


def test_services_are_asked_directly(aws: Aws) -> None:
    queue_url, queue_arn = aws.queue()
    topic = aws.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue_arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    aws.client("sqs").set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})
    table = unique("table")
    aws.client("dynamodb").create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    put = {"TableName": table, "Item": {"id": {"S": "1"}}, "ConditionExpression": "attribute_not_exists(id)"}
    steps = {
        "Put": {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "Arguments": put, "Next": "Tell"},
        "Tell": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Arguments": {"TopicArn": topic, "Message": {"x": 1}},
            "Next": "Put again",
        },
        "Put again": {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:putItem",
            "Arguments": put,
            "Catch": [{"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "Next": "Known"}],
            "End": True,
        },
        "Known": {"Type": "Succeed"},
    }
    role = ("dynamodb:PutItem", "sns:Publish")

    execution = ended(aws, {**JSONATA, "StartAt": "Put", "States": steps}, *role)

    assert execution["status"] == "SUCCEEDED", execution
    [message] = aws.messages(queue_url, 1)
    assert json.loads(json.loads(message["Body"])["Message"]) == {"x": 1}
