"""What must hold of an endpoint whenever everything has come to rest, whatever went wrong on the way there.

The numbers are those of the twelve invariants of the release engine. Two of them cannot be seen whole in one case: of
events in any order and number (5) one comes once more when all is at rest, and the rest is the simulator's; and that
two never write at once (2) is asked here of the lease that is left behind and, with many rollouts, of the ledger.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError
from moto.sns.models import sns_backends

from local.world import ACCOUNT, REGION
from release.domain.ledger import Head, verify_chain
from release.domain.phases import Phase, has_ended
from tests.fault_matrix.sight import Sight, answered_by, output_of, sight
from tests.fault_matrix.world import STACK, Slipway

SERVES = "InService"
_MACHINES_WORDS = {
    *("ReleaseRejected", "ReleaseRolledBack", "ReleaseAborted", "RolloutFailed", "RolloutStuck"),
    *("RollbackFailed", "OperationRefused", "SweepIncomplete"),
}
"""Errors that the machines end with: docs/architecture.md and the Fail states."""


def violations(slipway: Slipway, endpoint: str, *, served_before: bool) -> list[str]:
    """One sentence for each thing that is not as it must be.

    Args:
        served_before: something served on the endpoint before the path began.
    """
    seen = sight(slipway, endpoint)
    return [
        *_serving(slipway, seen, served_before=served_before),
        *_records(seen),
        *_truth(slipway, seen),
        *_leftovers(slipway, seen),
        *_references(slipway, seen),
        *_alarms(slipway, seen),
        *_people(slipway, seen),
    ]


def started_again(slipway: Slipway, endpoint: str) -> list[str]:
    """5: one seal starts one rollout: its event comes once more, late, and starts no other."""
    event = slipway.boundary.seals.get(endpoint)
    if event is None:
        return []
    before = sight(slipway, endpoint).rollouts.keys()
    name = f"{STACK}-receive-artifact"
    answer = slipway.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
    after = sight(slipway, endpoint).rollouts.keys()
    found = [f"5: the event of a seal came again and started {', '.join(sorted(after - before))}"] * (before != after)
    if answer.get("FunctionError"):
        found.append(f"5: the event of a seal came again and was refused: {answer['Payload'].read().decode()}")
    return found


def _serving(slipway: Slipway, seen: Sight, *, served_before: bool) -> Iterator[str]:
    """1: who served still serves; of a first release somebody serves, or the endpoint is gone."""
    if seen.described is None:
        if served_before:
            yield "1: the endpoint served before and is gone"
        return
    if seen.described["EndpointStatus"] != SERVES:
        yield f"1: the endpoint is {seen.described['EndpointStatus']}"
        return
    for variant in seen.described["ProductionVariants"]:
        if variant["CurrentInstanceCount"] < 1 or variant["CurrentWeight"] <= 0:
            yield f"1: a variant has {variant['CurrentInstanceCount']} instances, weight {variant['CurrentWeight']}"


def _records(seen: Sight) -> Iterator[str]:
    """2, 3: every rollout has ended, nobody holds the lease, and the ledger is whole."""
    for rollout_id, rollout in seen.rollouts.items():
        if not has_ended(Phase(rollout["phase"])):
            yield f"3: rollout {rollout_id} is {rollout['phase']} for ever"
        if rollout.get("taskToken"):
            yield f"3: rollout {rollout_id} waits with a token, and no execution of it runs"
    holder = seen.items.get("lease", {}).get("holder")
    if holder:
        yield f"2: rollout {holder} has ended and still holds the lease"
    head = Head(int(seen.record["ledgerSeq"]), seen.record["ledgerHash"]) if "ledgerSeq" in seen.record else Head()
    if problem := verify_chain(seen.ledger, head):
        yield f"12: the ledger breaks at line {problem.seq}: {problem.reason}"


def _truth(slipway: Slipway, seen: Sight) -> Iterator[str]:
    """6, 9: what serves is what the record says, and an execution that succeeded told the truth."""
    live = seen.record.get("liveRolloutId")
    if seen.described is None or seen.described["EndpointStatus"] != SERVES:
        if live:
            yield f"6: the record says that rollout {live} serves, and nothing does"
        return
    config = seen.described["EndpointConfigName"]
    if config != f"{STACK}-{seen.endpoint}-{live}":
        yield f"6: the endpoint runs {config}, the record says rollout {live}"
    answer = answered_by(slipway, seen.endpoint)
    if not config.endswith(f"-{answer}"):
        yield f"6: the endpoint runs {config}, and {answer} answers"
    phases = {rollout_id: rollout["phase"] for rollout_id, rollout in seen.rollouts.items()}
    if [rollout_id for rollout_id, phase in phases.items() if phase == Phase.LIVE] != ([live] if live else []):
        yield f"6: the record says rollout {live}, the rollouts say {phases}"
    for rollout_id, execution in seen.executions.items():
        said = output_of(execution).get("phase")
        if said == Phase.LIVE and phases[rollout_id] not in {Phase.LIVE, Phase.SUPERSEDED}:
            yield f"9: the execution of {rollout_id} says live, its record says {phases[rollout_id]}"


def _leftovers(slipway: Slipway, seen: Sight) -> Iterator[str]:
    """4: no alarm outlives its rollout, and every model and config belongs to one; old ones are the sweep's."""
    prefix = f"{STACK}-{seen.endpoint}-"
    alarms = slipway.client("cloudwatch").describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
    if alarms:
        yield f"4: alarms are left: {', '.join(alarm['AlarmName'] for alarm in alarms)}"
    sagemaker = slipway.client("sagemaker")
    models = [model["ModelName"] for model in sagemaker.list_models(NameContains=prefix)["Models"]]
    configs = [
        config["EndpointConfigName"]
        for config in sagemaker.list_endpoint_configs(NameContains=prefix)["EndpointConfigs"]
    ]
    for name in {*models, *configs}:
        if name.removeprefix(prefix) not in seen.rollouts:
            yield f"4: {name} belongs to no rollout"


def _references(slipway: Slipway, seen: Sight) -> Iterator[str]:
    """7, 11: what serves can be started again: its config, its model, and the whole published artifact behind them."""
    if seen.described is None:
        return
    sagemaker = slipway.client("sagemaker")
    try:
        name = seen.described["EndpointConfigName"]
        config = sagemaker.describe_endpoint_config(EndpointConfigName=name)
        model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
    except ClientError as error:
        yield f"11: what serves cannot be started again: {error}"
        return
    if not _published(slipway, model):
        yield f"7: model {model['ModelName']} serves an artifact that was never wholly published"


def _alarms(slipway: Slipway, seen: Sight) -> Iterator[str]:
    """10: every update had its alarms when it began."""
    for sentence in slipway.boundary.unguarded.get(seen.endpoint, []):
        yield f"10: {sentence}"


def _people(slipway: Slipway, seen: Sight) -> Iterator[str]:
    """People are told how every rollout ended. One that was superseded since had gone live."""
    told = {(notice["rolloutId"], notice["phase"]) for notice in notices(slipway, seen.endpoint)}
    for rollout_id, rollout in seen.rollouts.items():
        ended = Phase.LIVE if rollout["phase"] == Phase.SUPERSEDED else rollout["phase"]
        if (rollout_id, ended) not in told:
            yield f"nobody was told that rollout {rollout_id} ended as {ended}"


def notices(slipway: Slipway, endpoint: str) -> list[dict[str, Any]]:
    """What was published about an endpoint's rollouts, oldest first."""
    topic = sns_backends[ACCOUNT][REGION].topics[f"arn:aws:sns:{REGION}:{ACCOUNT}:{STACK}-notifications"]
    messages = [message for _, message, *_ in topic.sent_notifications if endpoint in message]
    said = [json.loads(json.loads(message)["default"]) for message in messages]
    return [notice for notice in said if notice["endpoint"] == endpoint and "rolloutId" in notice]


def bare_ends(executions: Iterable[dict[str, Any]]) -> list[str]:
    """An execution that does not succeed says so by a name of its machine and in a sentence for a person."""
    found = []
    for execution in executions:
        error, cause = execution.get("error", ""), execution.get("cause", "")
        if execution["status"] in {"RUNNING", "TIMED_OUT"}:
            found.append(f"3: {execution['executionArn']} is {execution['status']}")
        if execution["status"] == "FAILED" and (error not in _MACHINES_WORDS or not cause or cause.startswith("{")):
            found.append(f"{execution['executionArn']} ended as {error!r} because of {cause!r}")
    return found


def _published(slipway: Slipway, model: dict[str, Any]) -> bool:
    bucket, _, prefix = (
        model["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"].removeprefix("s3://").partition("/")
    )
    found = slipway.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{prefix}manifest.json")
    return prefix.startswith("published/") and bool(found["KeyCount"])
