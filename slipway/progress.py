"""One rollout from its artifact to its traffic, with what each gate said and the time that is left."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from release.domain.names import Names
from release.domain.phases import BEFORE_TRAFFIC, Phase
from slipway.fleets import Fleet, Fleets
from slipway.records import SERVED, Release, Rollout

_PHASE_OF = {"preflight": Phase.PREFLIGHT, "bake": Phase.BAKING}
_AFTER_EXAMINATION = BEFORE_TRAFFIC - {Phase.RECEIVED} | {Phase.SHIFTING, Phase.BAKING, Phase.LIVE}
_AFTER_PREFLIGHT = frozenset({Phase.SHIFTING, Phase.BAKING, Phase.LIVE, Phase.SUPERSEDED})


class GateState(StrEnum):
    AHEAD = "ahead"
    NOW = "now"
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNREACHED = "not reached"
    UNSEEN = "not seen"
    """The rollout went past it and nothing was recorded of it: silence is not a pass."""


@dataclass(frozen=True)
class Gate:
    name: str
    state: GateState


@dataclass(frozen=True)
class RolloutView:
    """`seconds_left` is a rule of thumb of the plan, 0 when it took longer; None where nobody estimated it."""

    endpoint: str
    rollout_id: str
    release_id: str
    kind: str
    phase: Phase
    reason: str
    ended: bool
    served: bool
    source: str
    artifact_id: str
    image: str
    model_name: str
    config_name: str
    strategy: str
    endpoint_status: str
    blue: Fleet | None
    green: Fleet | None
    gates: tuple[Gate, ...]
    traffic: str
    seconds_left: int | None
    held_by: str
    """Who holds it back, and why; empty if nobody."""


def view_of(
    rollout: Rollout, release: Release | None, fleets: Fleets | None, names: Names, now: datetime
) -> RolloutView:
    """Args: release: None for a rollout whose release was never made, such as a refused one."""
    config_name = names.of_rollout(rollout.rollout_id)
    blue, green = fleets_about(fleets, config_name)
    return RolloutView(
        endpoint=rollout.endpoint,
        rollout_id=rollout.rollout_id,
        release_id=rollout.release_id,
        kind=rollout.kind,
        phase=rollout.phase,
        reason=rollout.reason,
        ended=rollout.ended,
        served=rollout.phase in SERVED,
        source=rollout.source,
        artifact_id=release.artifact_id if release else "",
        image=release.image if release else "",
        model_name=config_name,
        config_name=config_name,
        strategy=str((rollout.plan or {}).get("strategy", "")),
        endpoint_status=fleets.status if fleets else "",
        blue=blue,
        green=green,
        gates=gates_of(rollout),
        traffic=_traffic(rollout, blue, green),
        seconds_left=seconds_left(rollout, now),
        held_by=_held_by(rollout),
    )


def fleets_about(fleets: Fleets | None, config_name: str) -> tuple[Fleet | None, Fleet | None]:
    """Blue and green as this rollout has them: once it is live, its own fleet is the one that serves."""
    if fleets is None:
        return None, None
    if fleets.green and fleets.green.config_name == config_name:
        return fleets.blue, fleets.green
    if fleets.blue and fleets.blue.config_name == config_name:
        return None, fleets.blue
    return fleets.blue, None


def gates_of(rollout: Rollout) -> tuple[Gate, ...]:
    """In their order. Before the plan is made nobody knows which there are, but for the examination."""
    plan = rollout.plan or {}
    estimate = plan.get("estimate")
    planned = tuple(estimate["gates"]) if estimate else ("examine", *_guessed(plan))
    return tuple(Gate(name, _state(name, rollout)) for name in planned)


def _guessed(plan: object) -> tuple[str, ...]:
    return ("bake",) if isinstance(plan, dict) and plan.get("bakeSeconds") and plan.get("fleetSize") else ()


def _state(gate: str, rollout: Rollout) -> GateState:
    seen = {change.phase for change in rollout.history}
    if gate in {str(skipped["gate"]) for skipped in rollout.skipped_gates}:
        return GateState.SKIPPED
    if gate == "examine":
        passed, now = bool(seen & _AFTER_EXAMINATION), rollout.phase is Phase.RECEIVED
        failed = rollout.phase is Phase.REJECTED
    elif gate == "preflight":
        passed, now = bool(seen & _AFTER_PREFLIGHT), rollout.phase is Phase.PREFLIGHT
        failed = rollout.ended and Phase.PREFLIGHT in seen
    else:
        passed, now = rollout.phase in SERVED, rollout.phase == Phase.BAKING
        failed = rollout.ended and Phase.BAKING in seen
    if passed:
        seen_at_it = gate == "examine" or _PHASE_OF[gate] in seen
        return GateState.PASSED if seen_at_it else GateState.UNSEEN
    if now:
        return GateState.NOW
    if failed:
        return GateState.FAILED
    return GateState.UNREACHED if rollout.ended else GateState.AHEAD


def _traffic(rollout: Rollout, blue: Fleet | None, green: Fleet | None) -> str:
    """Who answers. SageMaker does not say how much of the traffic a canary gets, so nothing is made up."""
    if rollout.phase in {Phase.SHIFTING, Phase.BAKING} and green:
        where = f"SageMaker says {green.status}" if green.status else "SageMaker moves it"
        return f"{where}; blue stands" if blue else where
    if rollout.phase is Phase.LIVE:
        return "all on this release"
    if rollout.phase is Phase.SUPERSEDED:
        return "none; a later release serves"
    return "all on what served before" if blue else "none yet" if not rollout.ended else "none"


def seconds_left(rollout: Rollout, now: datetime) -> int | None:
    if rollout.ended:
        return 0
    plan = rollout.plan or {}
    began = rollout.history[-1].at
    if rollout.phase is Phase.BAKING and "bakeSeconds" in plan:
        return _until(began, int(plan["bakeSeconds"]), now)
    if not (estimate := plan.get("estimate")):
        return None
    # Waiting for a turn or a person is no part of the estimate, so the clock starts when work on green begins.
    working = [change.at for change in rollout.history if change.phase is Phase.CREATING]
    if not working:
        return int(estimate["expectedSeconds"])
    return _until(working[0], int(estimate["expectedSeconds"]), now)


def _until(began: datetime, seconds: int, now: datetime) -> int:
    return max(0, seconds - int((now - began).total_seconds()))


def _held_by(rollout: Rollout) -> str:
    if rollout.ended:
        return ""
    if rollout.paused:
        return f"{rollout.paused['by']} paused it: {rollout.paused['reason']}"
    if rollout.awaiting == "approval":
        return f"it waits for a person; `slipway approve {rollout.endpoint} --reason …` lets it go on"
    return "it waits for its turn" if rollout.awaiting == "turn" else ""
