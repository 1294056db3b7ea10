"""Executions that wait with a task token, on Step Functions."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_stepfunctions import SFNClient

# The errors of SendTaskSuccess and SendTaskFailure in Step Functions' API reference that mean: nobody waits with it.
_NOBODY = frozenset({"InvalidToken", "TaskDoesNotExist", "TaskTimedOut"})
_LONGEST_CAUSE = 32_768  # of SendTaskFailure, by the API reference


class StepFunctionsWaiters:
    def __init__(self, client: "SFNClient") -> None:
        self._client = client

    def succeed(self, task_token: str, answer: "Mapping[str, Any]") -> bool:
        return _told(
            lambda: self._client.send_task_success(taskToken=task_token, output=json.dumps(dict(answer))),
        )

    def fail(self, task_token: str, error: str, cause: str) -> bool:
        return _told(
            lambda: self._client.send_task_failure(taskToken=task_token, error=error, cause=cause[:_LONGEST_CAUSE]),
        )


def _told(send: Callable[[], object]) -> bool:
    try:
        with translated("waking an execution"):
            send()
    except ClientError as error:
        if code_of(error) in _NOBODY:
            return False
        raise
    return True
