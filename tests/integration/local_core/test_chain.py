"""The path that every release takes: an object is put, a rule matches, a function runs, a machine runs."""

import json

from tests.integration.local_core.aws import Aws, until

STARTS_A_MACHINE = """
import json, os, boto3
def handler(event, context):
    print("saw", event["detail"]["object"]["key"])
    boto3.client("stepfunctions").start_execution(
        stateMachineArn=os.environ["MACHINE"], name=event["id"], input=json.dumps(event["detail"]["object"]))
"""
SAYS_WHAT_IT_GOT = "def handler(event, context):\n    return {'size': event['size'], 'by': context.function_name}\n"


def test_a_put_object_becomes_a_finished_execution(aws: Aws) -> None:
    measure = aws.function(SAYS_WHAT_IT_GOT)
    machine = aws.machine(
        {
            "QueryLanguage": "JSONata",
            "StartAt": "Measure",
            "States": {
                "Measure": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::lambda:invoke",
                    "Arguments": {"FunctionName": measure, "Payload": {"size": "{% $states.input.size %}"}},
                    "Output": "{% $states.result.Payload %}",
                    "End": True,
                }
            },
        }
    )
    bucket = aws.bucket()
    intake = aws.function(STARTS_A_MACHINE, environment={"MACHINE": machine})
    aws.rule(
        {
            "source": ["aws.s3"],
            "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"wildcard": "models/*/manifest.json"}]}},
        },
        Arn=intake,
    )

    aws.client("s3").put_object(Bucket=bucket, Key="models/chat/v1/weights.bin", Body=b"x")
    aws.client("s3").put_object(Bucket=bucket, Key="models/chat/v1/manifest.json", Body=b"{}")

    states = aws.client("stepfunctions")
    [execution] = until(lambda: states.list_executions(stateMachineArn=machine)["executions"] or None)
    ended = aws.ended(execution["executionArn"])
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == {"size": 2, "by": measure.split(":")[-1]}
