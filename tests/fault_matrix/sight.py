"""What can be seen of one endpoint from outside: records, SageMaker, executions, alarms."""

import json
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from local.sagemaker.statuses import EndpointStatus
from release.domain.phases import Phase, has_ended
from tests.fault_matrix.world import STACK, Slipway

_AT_REST = {
    EndpointStatus.IN_SERVICE,
    EndpointStatus.FAILED,
    EndpointStatus.OUT_OF_SERVICE,
    EndpointStatus.UPDATE_ROLLBACK_FAILED,
}
SERVES_NOBODY = frozenset({EndpointStatus.FAILED, EndpointStatus.OUT_OF_SERVICE})
_READ = TypeDeserializer()


@dataclass(frozen=True)
class Sight:
    """One look at an endpoint. Items are as the table holds them, camelCase."""

    endpoint: str
    items: dict[str, dict[str, Any]]
    described: dict[str, Any] | None
    """DescribeEndpoint; None: there is no such endpoint."""
    executions: dict[str, dict[str, Any]]
    """Rollout id → DescribeExecution of its run of the release machine."""

    @property
    def record(self) -> dict[str, Any]:
        return self.items.get("endpoint", {})

    @property
    def rollouts(self) -> dict[str, dict[str, Any]]:
        return {item["rolloutId"]: item for sk, item in self.items.items() if sk.startswith("rollout#")}

    @property
    def ledger(self) -> list[dict[str, Any]]:
        lines = [item for sk, item in sorted(self.items.items()) if sk.startswith("ledger#")]
        return [{**line, "seq": int(line["seq"])} for line in lines]

    @property
    def at_rest(self) -> bool:
        """Nothing runs, and SageMaker moves nothing."""
        moving = self.described is not None and self.described["EndpointStatus"] not in _AT_REST
        running = any(execution["status"] == "RUNNING" for execution in self.executions.values())
        begun = all(
            rollout_id in self.executions or has_ended(Phase(rollout["phase"]))
            for rollout_id, rollout in self.rollouts.items()
        )
        return not moving and not running and begun


def sight(slipway: Slipway, endpoint: str) -> Sight:
    pages = slipway.client("dynamodb").get_paginator("query")
    found = pages.paginate(
        TableName=f"{STACK}-releases",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"endpoint#{endpoint}"}},
        ConsistentRead=True,
    ).build_full_result()["Items"]
    items = [{name: _READ.deserialize(value) for name, value in item.items()} for item in found]
    by_key = {item["sk"]: item for item in items}
    executions = {}
    for item in items:
        if item["sk"].startswith("rollout#") and (execution := _execution(slipway, item["rolloutId"])):
            executions[item["rolloutId"]] = execution
    return Sight(endpoint, by_key, described(slipway, endpoint), executions)


def described(slipway: Slipway, endpoint: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = slipway.client("sagemaker").describe_endpoint(EndpointName=f"{STACK}-{endpoint}")
    except ClientError:
        return None
    return found


def _execution(slipway: Slipway, rollout_id: str) -> dict[str, Any] | None:
    machine = slipway.outputs["ReleaseStateMachineArn"].replace(":stateMachine:", ":execution:")
    try:
        found: dict[str, Any] = slipway.client("stepfunctions").describe_execution(
            executionArn=f"{machine}:{rollout_id}"
        )
    except ClientError:
        return None
    return found


def answered_by(slipway: Slipway, endpoint: str) -> str:
    """The rollout whose container answers a customer; the error's words where nobody does."""
    try:
        reply = slipway.client("sagemaker-runtime").invoke_endpoint(EndpointName=f"{STACK}-{endpoint}", Body=b"{}")
    except ClientError as error:
        return str(error)
    return str(reply["CustomAttributes"]).rpartition("rollout=")[2]


def output_of(execution: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(execution.get("output") or "{}")
    return found
