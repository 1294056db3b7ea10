"""Step Functions: what a Task does to an AWS service, as whom, and in which spelling."""

import json
import re
import sys
import threading
import time
import types
from typing import Any

import botocore.session
from botocore.model import OperationModel
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
)
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from local.moto_patches.patching import Patches
from local.world import World

_CREDENTIALS_LIFE_S = 1800.0
# The names of AWS's Java SDK, which Step Functions puts before an error's name.
_ERROR_PREFIXES = {
    "applicationautoscaling": "ApplicationAutoScaling",
    "cloudwatch": "CloudWatch",
    "cloudwatchlogs": "CloudWatchLogs",
    "dynamodb": "DynamoDb",
    "ecr": "Ecr",
    "ecs": "Ecs",
    "eventbridge": "EventBridge",
    "iam": "Iam",
    "kms": "Kms",
    "lambda": "Lambda",
    "s3": "S3",
    "sagemaker": "SageMaker",
    "sagemakerruntime": "SageMakerRuntime",
    "secretsmanager": "SecretsManager",
    "sfn": "Sfn",
    "sns": "Sns",
    "sqs": "Sqs",
    "ssm": "Ssm",
    "sts": "Sts",
}
_BOTO_NAMES = {
    "applicationautoscaling": "application-autoscaling",
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "sagemakerruntime": "sagemaker-runtime",
    "sfn": "stepfunctions",
    "states": "stepfunctions",
}


def install(patches: Patches, world: World) -> None:
    _call_as_the_machines_role(patches, world)
    _name_sdk_services(patches)
    _spell_parameters_and_answers(patches)


def _call_as_the_machines_role(patches: Patches, world: World) -> None:
    """moto's tasks call `localhost` with keys of nobody, so no policy of the machine's role is ever asked."""
    lock = threading.Lock()
    known: dict[str, tuple[float, dict[str, str]]] = {}

    def credentials_of(role_arn: str) -> dict[str, str]:
        with lock:
            until, credentials = known.get(role_arn, (0.0, {}))
            if time.monotonic() > until:
                credentials = world.role_credentials(role_arn, "states", "states.amazonaws.com")
                known[role_arn] = (time.monotonic() + _CREDENTIALS_LIFE_S, credentials)
            return credentials

    def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:  # noqa: ARG001 - one region
        role_arn = getattr(state_credentials, "role_arn", None)
        return world.client(service, credentials_of(role_arn) if role_arn else None, validate=False)

    for module in _modules_that_hold("boto_client_for"):
        patches.replace(module, "boto_client_for", boto_client_for)


def _modules_that_hold(name: str) -> list[types.ModuleType]:
    """moto's interpreter modules that imported `name` by value."""
    modules = [module for path, module in list(sys.modules.items()) if path.startswith("moto.stepfunctions.parser.")]
    return [module for module in modules if name in vars(module)]


def _name_sdk_services(patches: Patches) -> None:
    """moto knows two services' names for errors, and takes a service's Step Functions name for boto's."""
    patches.replace(state_task_service_aws_sdk, "_SERVICE_ERROR_NAMES", _ERROR_PREFIXES)
    patches.replace(state_task_service.StateTaskService, "_SERVICE_NAME_SFN_TO_BOTO_OVERRIDES", _BOTO_NAMES)


def _spell_parameters_and_answers(patches: Patches) -> None:
    """moto does nothing where Step Functions turns PascalCase into each service's own case and back, and a date in an
    answer breaks DescribeExecution."""
    task = state_task_service.StateTaskService

    def to_service(
        self: Any, parameters: Any, boto_service_name: str | None = None, service_action_name: str | None = None
    ) -> None:
        shape = _operation(self, boto_service_name, service_action_name).input_shape
        if shape is not None:
            self._to_boto_request(parameters, shape)

    def from_service(
        self: Any, response: Any, boto_service_name: str | None = None, service_action_name: str | None = None
    ) -> None:
        shape = _operation(self, boto_service_name, service_action_name).output_shape
        if not isinstance(response, dict):
            return
        if shape is not None:
            self._from_boto_response(response, shape)
        plain = json.loads(to_json_str(response))
        response.clear()
        response.update(plain)

    patches.replace(task, "_normalise_parameters", to_service)
    patches.replace(task, "_normalise_response", from_service)


def _operation(task: Any, service: str | None, action: str | None) -> OperationModel:
    model = botocore.session.get_session().get_service_model(task._get_boto_service_name(service))  # noqa: SLF001
    wanted = _letters(task._get_boto_service_action(action))  # noqa: SLF001
    for name in model.operation_names:
        if _letters(name) == wanted:
            return model.operation_model(name)
    raise ValueError(
        f"{task.resource.resource_arn} names no operation of {model.service_name}; correct the state's Resource"
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
