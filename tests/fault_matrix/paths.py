"""The paths of a rollout, told from outside: what a person or an upload does, and when all is at rest again."""

import itertools
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from release.domain.phases import Phase
from tests.builders.artifacts import artifact
from tests.fault_matrix.sight import SERVES_NOBODY, Sight, sight
from tests.fault_matrix.world import STACK, Slipway

REST_AWS_S = 3000.0
"""No path takes longer, whatever fails once in it: the longest waits are a lease that runs out (900 s) and five minutes
until a waiting rollout asks again by itself."""
_POLL_S = 0.25  # real
LONG_BAKE = json.dumps({"config": {"bakeSeconds": 900}}).encode()


class NoRestError(Exception):
    """The world did not come to rest in the time that it may take."""


@dataclass
class Stage:
    """One endpoint and what is known of it from outside."""

    slipway: Slipway
    endpoint: str
    versions: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    by_hand: list[str] = field(default_factory=list)
    """Executions that a person started: of the rollback machine and of the operate machine."""

    def drop(self, manifest: bytes = b"{}") -> None:
        """Upload a model that nobody has dropped before, its seal last."""
        version = f"v{next(self.versions)}"
        s3, bucket = self.slipway.client("s3"), self.slipway.outputs["ArtifactBucketName"]
        files = artifact(f"{self.endpoint} {version}") | {"manifest.json": manifest}
        for path, body in files.items():
            s3.put_object(Bucket=bucket, Key=f"models/{self.endpoint}/{version}/{path}", Body=body)

    def start(self, output: str, **more: Any) -> None:
        """Start a machine as a person does."""
        started = self.slipway.client("stepfunctions").start_execution(
            stateMachineArn=self.slipway.outputs[output], input=json.dumps({"endpoint": self.endpoint, **more})
        )
        self.by_hand.append(started["executionArn"])

    def remove(self) -> None:
        """Take the endpoint down, and wait until it is gone."""
        for verb in ("freeze", "remove"):
            self.start("OperateStateMachineArn", verb=verb, reason="the test is done with it")
            self.ended(self.by_hand[-1])
        self.until(lambda seen: seen.described is None, f"{self.endpoint} is gone")

    def seen(self) -> Sight:
        return sight(self.slipway, self.endpoint)

    def until(self, reached: Callable[[Sight], bool], what: str, *, idle: bool = False) -> Sight:
        """The first sight that has it.

        Args:
            idle: no look is taken while an execution runs, because looks cost more than most rollouts' calls.

        Raises:
            NoRestError: not within REST_AWS_S.
        """
        clock = self.slipway.world.clock
        deadline_s = clock.time() + REST_AWS_S
        while True:
            while idle and self.slipway.busy(self.endpoint) and clock.time() < deadline_s:
                time.sleep(_POLL_S / 5)
            if reached(seen := self.seen()):
                return seen
            if clock.time() > deadline_s:
                raise NoRestError(f"3: not within {REST_AWS_S:g} s: {what}; {_told(seen)}")
            time.sleep(_POLL_S)

    def registered(self, rollouts: int) -> Sight:
        """Wait until there are so many rollouts."""
        return self.until(lambda seen: len(seen.rollouts) >= rollouts, f"{rollouts} rollouts are registered")

    def ended(self, execution_arn: str) -> None:
        """Wait for the end of an execution that a person started."""
        clock, states = self.slipway.world.clock, self.slipway.client("stepfunctions")
        deadline_s = clock.time() + REST_AWS_S
        while states.describe_execution(executionArn=execution_arn)["status"] == "RUNNING":
            if clock.time() > deadline_s:
                raise NoRestError(f"3: not within {REST_AWS_S:g} s: {execution_arn} ends")
            time.sleep(_POLL_S)

    def rest(self, rollouts: int) -> Sight:
        """Wait until nothing moves any more and there have been at least so many rollouts."""
        time.sleep(_POLL_S)
        return self.until(
            lambda seen: len(seen.rollouts) >= rollouts and self._rests(seen), f"{rollouts} rollouts end", idle=True
        )

    def clear(self) -> None:
        """Take the endpoint away when no case needs it any more: what serves is measured every minute, and costs."""
        with suppress(ClientError):  # there is none, or it still moves
            self.slipway.client("sagemaker").delete_endpoint(EndpointName=f"{STACK}-{self.endpoint}")

    def executions(self) -> list[dict[str, Any]]:
        """DescribeExecution of every execution about this endpoint, of the machines that its path has started."""
        states = self.slipway.client("stepfunctions")
        by_hand = [states.describe_execution(executionArn=arn) for arn in self.by_hand]
        return [*self.seen().executions.values(), *by_hand]

    def _rests(self, seen: Sight) -> bool:
        states = self.slipway.client("stepfunctions")
        return seen.at_rest and all(
            states.describe_execution(executionArn=arn)["status"] != "RUNNING" for arn in self.by_hand
        )


def _told(seen: Sight) -> str:
    phases = {rollout_id: (rollout["phase"], rollout["reason"]) for rollout_id, rollout in seen.rollouts.items()}
    runs = {rollout_id: execution["status"] for rollout_id, execution in seen.executions.items()}
    status = seen.described["EndpointStatus"] if seen.described else "gone"
    return f"the endpoint is {status}, its rollouts are {phases}, their executions {runs}"


@dataclass(frozen=True)
class Path:
    """How one path goes.

    Args:
        releases: how many releases must have served before, the newest of which serves.
        deed: what begins it; returns when all is at rest.
        ends: the phase of its newest rollout then, if nothing failed.
        functions: those whose calls are struck; empty: all that the path calls.
    """

    name: str
    releases: int
    deed: Callable[[Stage], None]
    ends: Phase
    functions: frozenset[str] = frozenset()

    def prepare(self, stage: Stage) -> None:
        """Let releases go live until there are enough."""
        while not _enough(seen := stage.seen(), self.releases):
            before = len(seen.rollouts)
            stage.drop()
            stage.rest(before + 1)


def _enough(seen: Sight, releases: int) -> bool:
    served = [rollout for rollout in seen.rollouts.values() if rollout["phase"] in {Phase.LIVE, Phase.SUPERSEDED}]
    serves = seen.described is not None and seen.described["EndpointStatus"] not in SERVES_NOBODY
    ways_back = int("liveReleaseId" in seen.record) + int("lastGoodReleaseId" in seen.record)
    return not releases or (serves and len(served) >= releases and ways_back >= min(2, releases))


def _release(stage: Stage) -> None:
    before = len(stage.seen().rollouts)
    stage.drop()
    stage.rest(before + 1)


def _roll_back(stage: Stage) -> None:
    before = len(stage.seen().rollouts)
    stage.start("RollbackStateMachineArn")
    stage.rest(before)


def _abort(stage: Stage) -> None:
    """Somebody drops, and thinks better of it while green bakes."""
    before = stage.seen().rollouts.keys()
    stage.drop(LONG_BAKE)

    def decided(seen: Sight) -> bool:
        new = [rollout for rollout_id, rollout in seen.rollouts.items() if rollout_id not in before]
        return any(rollout["phase"] == Phase.BAKING for rollout in new) or (bool(new) and seen.at_rest)

    stage.until(decided, "green bakes")
    stage.start("OperateStateMachineArn", verb="abort", actor="ana", reason="the matrix says so")
    stage.rest(len(before) + 1)


def _sweep(stage: Stage) -> None:
    """An execution dies while its green bakes; one sweep settles what is left, and the next has nothing to do."""
    before = stage.seen().rollouts.keys()
    stage.drop(LONG_BAKE)

    def bakes(seen: Sight) -> bool:
        new = [rollout for rollout_id, rollout in seen.rollouts.items() if rollout_id not in before]
        return any(rollout["phase"] == Phase.BAKING for rollout in new) or (bool(new) and seen.at_rest)

    seen = stage.until(bakes, "green bakes")
    (died,) = seen.rollouts.keys() - before
    if not seen.at_rest:
        stage.slipway.client("stepfunctions").stop_execution(executionArn=seen.executions[died]["executionArn"])
    for _ in range(2):
        stage.start("SweepStateMachineArn", graceSeconds=0)
        stage.ended(stage.by_hand[-1])
    stage.rest(len(before) + 1)


PATHS = (
    Path("first", 0, _release, Phase.LIVE),
    Path("update", 1, _release, Phase.LIVE),
    Path("rollback", 2, _roll_back, Phase.LIVE),
    # What comes before the abort is the update's.
    Path("abort", 1, _abort, Phase.ABORTED, frozenset({"operate_endpoint", "watch_endpoint", "settle_rollout"})),
    Path("sweep", 1, _sweep, Phase.ROLLED_BACK, frozenset({"find_sweep_work", "sweep_endpoint", "report_sweep"})),
)
PATHS_BY_NAME = {path.name: path for path in PATHS}
