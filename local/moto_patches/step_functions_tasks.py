"""Step Functions: what a Task does to an AWS service, as whom, and in which spelling."""

import copy
import json
import re
import sys
import threading
import time
import types
import uuid
from functools import cache
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import TimeoutSeconds
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_aws_sdk,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackEndpoint, HeartbeatEndpoint
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from local.clock import Clock
from local.moto_patches.patching import Patches
from local.world import World

_CREDENTIALS_LIFE_S = 1800.0
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
    _do_without_request_ids(patches)
    _spell_parameters_and_answers(patches)
    _wait_for_callbacks_on_the_clock(patches, world.clock)


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


class _ErrorPrefixes(dict[str, str]):
    """What Step Functions puts before an error's name: the service's name in AWS's Java SDK.

    https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html, exception prefixes
    """

    def __contains__(self, service: object) -> bool:
        return True

    def __missing__(self, service: str) -> str:
        model = botocore.session.get_session().get_service_model(_BOTO_NAMES.get(service, service))
        words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", str(model.service_id))
        return "".join(word.capitalize() for word in words)


def _name_sdk_services(patches: Patches) -> None:
    """moto knows two services' names for errors, and takes a service's Step Functions name for boto's."""
    patches.replace(state_task_service_aws_sdk, "_SERVICE_ERROR_NAMES", _ErrorPrefixes())
    patches.replace(state_task_service.StateTaskService, "_SERVICE_NAME_SFN_TO_BOTO_OVERRIDES", _BOTO_NAMES)


def _do_without_request_ids(patches: Patches) -> None:
    """moto breaks when a service's error carries no request id, as those of our own services do."""
    task: Any = state_task_service_aws_sdk.StateTaskServiceAwsSdk

    def from_error(self: Any, env: Environment, ex: Exception) -> Any:
        if isinstance(ex, ClientError):
            ex.response["ResponseMetadata"].setdefault("RequestId", str(uuid.uuid4()))
        return original(self, env, ex)

    original = patches.replace(task, "_from_error", from_error)


class _OnTheClock:
    """A task's time-out: real seconds for the one that asks first, which waits, and AWS seconds for those that tell."""

    def __init__(self, limit: Any, clock: Clock) -> None:
        # With a heartbeat alone the interpreter assumes 60 s, from the language's specification; AWS assumes none.
        assumed = getattr(limit, "is_default", False)
        self._limit = TimeoutSeconds(TimeoutSeconds.DEFAULT_TIMEOUT_SECONDS) if assumed else limit
        self._clock, self._asked = clock, False

    def eval(self, env: Environment) -> None:
        self._limit.eval(env=env)
        if not self._asked:
            self._asked = True
            env.stack.append(self._clock.real_seconds(env.stack.pop()))

    def is_default_value(self) -> bool:
        return bool(self._limit.is_default_value())


def _wait_for_callbacks_on_the_clock(patches: Patches, clock: Clock) -> None:
    """moto counts the time-out and the heartbeat of a task that waits for its token by the wall clock.

    A task that only calls keeps its time-out in real seconds: it bounds work that processes do at their own speed.
    """

    def evaluate(self: Any, env: Environment) -> None:
        if getattr(getattr(self, "resource", None), "condition", None) is None:
            evaluate_original(self, env)
            return
        waiting = copy.copy(self)
        waiting.timeout = _OnTheClock(self.timeout, clock)
        evaluate_original(waiting, env)

    def wait(self: CallbackEndpoint, timeout: float | None = None) -> Any:
        return wait_original(self, None if timeout is None else clock.real_seconds(timeout))

    def beat(self: HeartbeatEndpoint, heartbeat_seconds: float) -> None:
        beat_original(self, clock.real_seconds(heartbeat_seconds))

    evaluate_original = patches.replace(ExecutionState, "_evaluate_with_timeout", evaluate)
    wait_original = patches.replace(CallbackEndpoint, "wait", wait)
    beat_original = patches.replace(HeartbeatEndpoint, "__init__", beat)


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
    wanted = _letters(task._get_boto_service_action(action))  # noqa: SLF001
    name = task._get_boto_service_name(service)  # noqa: SLF001
    found = _operation_model(name, wanted)
    if found is None:
        raise ValueError(f"{task.resource.resource_arn} names no operation of {name}; correct the state's Resource")
    return found


@cache
def _operation_model(service: str, wanted: str) -> OperationModel | None:
    """Read once: a botocore session costs 30 ms, and a machine asks twice for every task."""
    model = botocore.session.get_session().get_service_model(service)
    names = (name for name in model.operation_names if _letters(name) == wanted)
    return next((model.operation_model(name) for name in names), None)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
