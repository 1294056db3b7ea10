"""Executions of the release machine, as Step Functions describes them."""

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated
from release.ports import Life

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

_ALIVE = frozenset({"RUNNING", "PENDING_REDRIVE"})
_UNKNOWN = frozenset({"ExecutionDoesNotExist", "InvalidArn"})


class StepFunctionsExecutions:
    def __init__(self, client: "SFNClient", *, machine_arn: str) -> None:
        self._client = client
        self._arn = machine_arn

    def named(self, rollout_id: str) -> str:
        return f"{self._arn.replace(':stateMachine:', ':execution:')}:{rollout_id}"

    def life(self, execution_arn: str) -> Life:
        found = self._described(execution_arn)
        if found is None:
            return Life.UNKNOWN
        return Life.RUNNING if found["status"] in _ALIVE else Life.ENDED

    def input_of(self, execution_arn: str) -> Any:
        found = self._described(execution_arn)
        return json.loads(found.get("input", "null")) if found else None

    def _described(self, execution_arn: str) -> "DescribeExecutionOutputTypeDef | None":
        try:
            with translated(f"looking at execution {execution_arn}"):
                return self._client.describe_execution(executionArn=execution_arn)
        except ClientError as error:
            if code_of(error) in _UNKNOWN:
                return None
            raise
