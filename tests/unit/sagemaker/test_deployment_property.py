"""Whatever is called, whenever it is called, whatever breaks: nothing illegal ever happens to an endpoint.

A hundred sequences every day, ten thousand in the long proof. The legal transitions are written down here a second
time, from the descriptions of EndpointStatus in DescribeEndpoint's reference; the code's own table is not asked.
"""

import itertools
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.faults import EndpointFailure, EndpointFault, Fault, FleetFailure, FleetFault
from local.sagemaker.behaviour import PartialInstances
from local.sagemaker.endpoint import Endpoint
from local.sagemaker.errors import AwsError
from local.sagemaker.statuses import EndpointStatus
from tests.conftest import EVERYDAY
from tests.fakes.twin import INSTANCE_TYPE, Twin

SEQUENCES = 10_000 if os.environ.get("SLIPWAY_PROOF") == "prove" else EVERYDAY
LEGAL = {
    "Creating": {"InService", "Failed"},
    "InService": {"Updating", "SystemUpdating", "OutOfService", "Deleting"},
    "Updating": {"InService", "RollingBack", "UpdateRollbackFailed", "Failed"},
    "RollingBack": {"InService"},
    "SystemUpdating": {"InService"},
    "OutOfService": {"InService", "Deleting"},
    "UpdateRollbackFailed": {"Updating", "Deleting"},
    "Failed": {"Deleting"},
    "Deleting": set[str](),
}
AT_REST = {"InService", "OutOfService", "UpdateRollbackFailed", "Failed"}
REFUSALS = (
    "Cannot update in-progress endpoint",
    "its status is Failed",
    "takes no Update",
    "Could not find endpoint",
    "already existing endpoint",
    "that it already has",
    "of the variant's total instance count",
    "not supported for an endpoint with 2 production variants",
    "must equal those of the old one",
    "was not found on endpoint",
)
CONFIGS = {"one": {"v": 1}, "three": {"v": 3}, "four": {"v": 4}, "pair": {"v": 2, "w": 2}, "other": {"w": 2}}

Step = tuple[Any, ...]


def size(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


POLICIES: dict[str, dict[str, Any]] = {
    "none": {},
    "all at once": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 30},
    "canary": {"Type": "CANARY", "WaitIntervalInSeconds": 20, "CanarySize": size(30)},
    "linear": {"Type": "LINEAR", "WaitIntervalInSeconds": 10, "LinearStepSize": size(25)},
    "rolling": {"MaximumBatchSize": size(25), "WaitIntervalInSeconds": 10},
    "rolling, back by one": {
        "MaximumBatchSize": size(50),
        "WaitIntervalInSeconds": 10,
        "RollbackMaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
    },
    "slow": {"Type": "LINEAR", "WaitIntervalInSeconds": 190, "LinearStepSize": size(34)},
    "slow rolling": {"MaximumBatchSize": size(34), "WaitIntervalInSeconds": 190},
}


def deployment_config(policy: str) -> dict[str, Any] | None:
    routing = POLICIES[policy]
    guarded = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "guard"}]}}
    if not routing:
        return None
    if "MaximumBatchSize" in routing:
        return {"RollingUpdatePolicy": {**routing, "MaximumExecutionTimeoutInSeconds": 600}, **guarded}
    blue_green = {"TrafficRoutingConfiguration": routing, "MaximumExecutionTimeoutInSeconds": 600}
    return {"BlueGreenUpdatePolicy": blue_green, **guarded}


faults = st.sampled_from(
    [
        FleetFault(times=1, failure=FleetFailure.NO_CAPACITY),
        FleetFault(times=1, failure=FleetFailure.NO_CAPACITY, after=1),
        FleetFault(times=2, failure=FleetFailure.FAILS_TO_START, after=1),
        FleetFault(failure=FleetFailure.FAILS_TO_START, config="four"),
        EndpointFault(times=1, failure=EndpointFailure.ROLLBACK_FAILS),
    ]
)
DEEDS: dict[str, tuple[int, tuple[st.SearchStrategy[Any], ...]]] = {
    "update": (8, (st.sampled_from(["three", "four", "three", "four", *CONFIGS]), st.sampled_from(sorted(POLICIES)))),
    "trip": (4, (st.integers(1, 3),)),
    "meet": (3, (st.integers(1, 3),)),
    "settle": (4, ()),
    "fault": (3, (faults,)),
    "alarm": (3, (st.sampled_from(["OK", "OK", "ALARM", "missing", "unreadable"]),)),
    "scale": (2, (st.integers(1, 4), st.sampled_from([0.0, 1.0, 2.0]))),
    "delete": (1, ()),
    "create": (1, (st.sampled_from(sorted(CONFIGS)),)),
    "autoscaled": (1, (st.booleans(),)),
    "crash": (1, (st.integers(1, 4),)),
    "skip": (1, (st.sampled_from([15.0, 700.0]),)),
    "interrupt": (1, (st.sampled_from([EndpointStatus.SYSTEM_UPDATING, EndpointStatus.OUT_OF_SERVICE]),)),
}
"""How often each deed is drawn, and what it is done with."""
steps: st.SearchStrategy[Step] = st.sampled_from(
    [deed for deed, (times, _) in DEEDS.items() for _ in range(times)]
).flatmap(lambda deed: st.tuples(st.just(deed), *DEEDS[deed][1]))


@dataclass
class Watch:
    """What the statuses of one sequence's endpoints did, seen where they change."""

    moves: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, before: str, after: str) -> None:
        self.moves.append((before, after))
        if after not in LEGAL[before]:
            self.wrong.append(f"{before} -> {after}")


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("local.sagemaker.fleets.fleet.CRASH_POLL_S", 0.005)
        patch.setattr("local.sagemaker.fleets.fleet.RELAUNCH_DELAY_S", 0.005)
        twin = Twin(Path(folder), scale=20_000, partial_instances=PartialInstances.UP)
        for name, counts in CONFIGS.items():
            twin.config(name, INSTANCE_TYPE, **counts)
        yield twin
        twin.stop()


_names = itertools.count(1)


class Sequence:
    """One endpoint's life under random calls, with what must hold after each of them."""

    def __init__(self, twin: Twin, watch: Watch) -> None:
        self.twin = twin
        self.watch = watch
        self.name = f"chat-{next(_names)}"
        twin.events.clear()
        self.possible: set[str] = set()
        self.served: str | None = None
        """The record of an endpoint that was InService once."""
        self.robbed = False
        """Instances died: it may be without any until they are replaced."""

    def take(self, step: Step) -> None:
        deed, *arguments = step
        try:
            getattr(self, f"_{deed}")(*arguments)
        except AwsError as refused:
            if refused.code != "ValidationException" or not any(words in refused.message for words in REFUSALS):
                raise
        self.check()

    def _update(self, config: str, policy: str) -> None:
        retain = config == "three"  # the count that serves, whatever the config says
        self.twin.update(config, deployment_config(policy), self.name, RetainAllVariantProperties=retain)
        self.possible.add(config)

    def _scale(self, count: int, weight: float) -> None:
        self.twin.scale(self.name, DesiredInstanceCount=count, DesiredWeight=weight)

    def _delete(self) -> None:
        self.twin.call("DeleteEndpoint", EndpointName=self.name)

    def _create(self, config: str) -> None:
        self.twin.call("CreateEndpoint", EndpointName=self.name, EndpointConfigName=config)
        self.possible, self.robbed = {config}, False

    def _settle(self) -> None:
        self.twin.until(lambda: self._is_at_rest() and not self._is(EndpointStatus.OUT_OF_SERVICE))

    def _meet(self, bakes: int) -> None:
        """Go on when the operation in progress bakes for the n-th time, or is over."""
        seen: set[float] = set()

        def met() -> bool:
            if (record := self._record()) is None or record.status in AT_REST:
                return True
            pending = record.pending
            stages = [stage for stage in pending.stages.values() if stage.stage == "Baking"] if pending else []
            seen.update(stage.since.timestamp() for stage in stages)
            return len(seen) >= bakes

        self.twin.until(met)

    def _trip(self, bakes: int) -> None:
        """An alarm speaks against the n-th bake, and only then."""
        self._meet(bakes)
        self._alarm("ALARM")
        self.twin.until(self._is_at_rest)
        self._alarm("OK")

    def _autoscaled(self, autoscaled: bool) -> None:  # noqa: FBT001 - drawn by position
        self.twin.world.autoscaled = autoscaled

    def _alarm(self, state: str) -> None:
        self.twin.world.may_read_alarms = state != "unreadable"
        self.twin.world.alarms = {} if state == "missing" else {"guard": state.replace("unreadable", "OK")}

    def _fault(self, fault: Fault) -> None:
        self.twin.world.faults.set(fault)

    def _crash(self, at_most: int) -> None:
        if record := self._record():
            self.robbed = True
            self.twin.crash(record.config_name, self.name, at_most)

    def _skip(self, aws_seconds: float) -> None:
        self.twin.skip(aws_seconds)

    def _interrupt(self, status: EndpointStatus) -> None:
        if record := self._record():
            self.twin.deployer.interrupt_service(record, status, 50.0)

    def check(self) -> None:
        assert not self.watch.wrong, self.watch
        record = self._record()
        if record is None:
            return
        with record.lock:
            status, config = record.status, record.config_name
            pending = record.pending
        assert config in self.possible, (config, self.possible)
        assert pending is None or status in {"Creating", "Updating", "RollingBack"}, status
        if status == "InService" and not self.robbed:
            self._must_serve(record)

    def _must_serve(self, record: Endpoint) -> None:
        taken = record.reserve(None) or (record.reserve("v") if "v" in record.variants() else None)
        if taken:
            taken[1].release()
            return
        still = record.status
        assert still != "InService", f"nothing serves: {record.traffic}"

    def end(self) -> None:
        self.twin.world.faults.clear()
        self._alarm("OK")
        self.twin.until(self._is_at_rest)
        self.check()
        if (record := self._record()) and record.status in {"InService", "UpdateRollbackFailed"}:
            self.twin.until(lambda: all(v.healthy() for v in record.variants().values()))
        if record:
            self._delete()
            self.twin.until(lambda: self._record() is None)
        assert not self.watch.wrong, self.watch
        self.twin.until(self._every_change_is_told)
        assert not self.twin.launcher.alive, "instances were left behind"
        assert self.twin.twin.capacity.taken(INSTANCE_TYPE) == 0

    def _every_change_is_told(self) -> bool:
        kind = "SageMaker Endpoint State Change"
        told = [d["EndpointStatus"] for k, d in self.twin.events if k == kind and d["EndpointName"] == self.name]
        moved = [EndpointStatus(after).in_events for _, after in self.watch.moves]
        begun = ["CREATING"] * told.count("CREATING")  # an endpoint begins in it and does not move there
        return sorted(told) == sorted(moved + begun)

    def _record(self) -> Endpoint | None:
        return self.twin.twin._registry.endpoints.find(self.name)

    def _is(self, status: EndpointStatus) -> bool:
        record = self._record()
        return record is not None and record.status is status

    def _is_at_rest(self) -> bool:
        record = self._record()
        return record is None or record.status in AT_REST


@pytest.mark.timeout(1200)
@settings(max_examples=SEQUENCES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, min_size=8, max_size=20), first=st.sampled_from(["three", "four", *CONFIGS]))
def test_nothing_illegal_ever_happens(twin: Twin, sequence: list[Step], first: str) -> None:
    watch = Watch()
    move_to = Endpoint.move_to

    def watched(endpoint: Endpoint, status: EndpointStatus, *more: Any) -> None:
        watch.note(endpoint.status, status)
        move_to(endpoint, status, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Endpoint, "move_to", watched)
        life = Sequence(twin, watch)
        for step in [("create", first), ("settle",), *sequence]:
            life.take(step)
        life.end()
