"""Starting machines on Step Functions."""

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsMachine:
    def __init__(self, client: "SFNClient", *, machine_arn: str) -> None:
        self._client = client
        self._arn = machine_arn

    def start(self, endpoint: str, rollout_id: str) -> str:
        try:
            with translated(f"starting rollout {rollout_id}"):
                return self._client.start_execution(
                    stateMachineArn=self._arn,
                    name=rollout_id,
                    input=json.dumps({"endpoint": endpoint, "rolloutId": rollout_id}),
                )["executionArn"]
        except ClientError as error:
            if code_of(error) != "ExecutionAlreadyExists":
                raise
        return f"{self._arn.replace(':stateMachine:', ':execution:')}:{rollout_id}"


class StepFunctionsWakeUps:
    """An execution of the operate machine that waits until its time has come, which costs nothing meanwhile."""

    def __init__(self, client: "SFNClient", *, machine_arn: str) -> None:
        self._client = client
        self._arn = machine_arn

    def at(self, endpoint: str, instant: str) -> None:
        asked = {"verb": "wake", "endpoint": endpoint, "at": instant, "actor": "a freeze", "reason": "its end has come"}
        name = f"wake-{endpoint}-{''.join(filter(str.isalnum, instant))}"
        try:
            with translated(f"waking endpoint {endpoint} at {instant}"):
                self._client.start_execution(stateMachineArn=self._arn, name=name, input=json.dumps(asked))
        except ClientError as error:
            if code_of(error) != "ExecutionAlreadyExists":
                raise
