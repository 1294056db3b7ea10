"""Step Functions calls a service's errors by the names of AWS's Java SDK."""

from typing import Any

import boto3
import pytest
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_aws_sdk as sdk

from local.moto_patches import step_functions_tasks
from local.moto_patches.patching import Patches


@pytest.mark.parametrize(
    ("service", "prefix"),
    [
        ("applicationautoscaling", "ApplicationAutoScaling"),
        ("cloudwatch", "CloudWatch"),
        ("cloudwatchlogs", "CloudWatchLogs"),
        ("dynamodb", "DynamoDb"),
        ("ecr", "Ecr"),
        ("eventbridge", "EventBridge"),
        ("s3", "S3"),
        ("sagemaker", "SageMaker"),
        ("sagemakerruntime", "SageMakerRuntime"),
        ("secretsmanager", "SecretsManager"),
        ("sfn", "Sfn"),
    ],
)
def test_a_service_has_the_name_of_its_java_client(service: str, prefix: str) -> None:
    # https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html, exception prefixes
    patches = Patches()
    step_functions_tasks._name_sdk_services(patches)
    try:
        assert sdk.StateTaskServiceAwsSdk._normalise_service_error_name(service) == prefix
    finally:
        patches.undo()


@pytest.mark.parametrize(
    ("error", "name"),
    [
        ("ResourceLimitExceeded", "SageMaker.ResourceLimitExceededException"),
        ("ResourceInUse", "SageMaker.ResourceInUseException"),
        ("ClientError", "SageMaker.SageMakerException"),
    ],
)
def test_a_modelled_error_keeps_its_name_and_another_gets_the_services(error: str, name: str) -> None:
    exceptions: Any = boto3.client("sagemaker", region_name="us-east-1").exceptions
    raised = getattr(exceptions, error)({"Error": {}}, "Operation")

    assert sdk.StateTaskServiceAwsSdk._normalise_exception_name("SageMaker", raised) == name
