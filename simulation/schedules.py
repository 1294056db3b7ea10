"""What happens in one simulation: drawn from its seed, and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from release.contracts.settings import PolicySettings
from release.domain.identity import drop_seal
from release.flows.stamps import stamp_after
from simulation.faults import Fault
from simulation.serving import Fate
from simulation.world import Dropped, World

_FATES = (
    *(Fate.GOOD,) * 9,
    Fate.SLOW,
    Fate.BROKEN,
    Fate.BROKEN,
    Fate.MUTE,
    Fate.NEVER_UP,
    Fate.NEVER_UP,
    Fate.SILENT,
    Fate.SILENT,
)
_GAPS_S = (0.01, 0.3, 5.0, 40.0, 150.0, 1500.0)
_DELAYS_S = (0.0, 0.0, 0.0, 0.5, 20.0, 400.0, 5000.0)
_VERBS = (
    "abort",
    "abort",
    "abort",
    "pause",
    "freeze",
    "approve",
    "resume",
    "unfreeze",
    "release-lease",
    "adopt",
    "skip-gate",
    "why",
)
_PORTS_OUT = ("table", "serving", "alarms", "metrics", "waiters", "notices", "probes", "machine")
_MOST_VERBS = 3
_FAULTS = (*tuple(Fault), *(Fault.THROTTLED, Fault.ANSWER_LOST) * 2)


@dataclass(frozen=True, slots=True)
class Act:
    at_s: float
    name: str
    do: Callable[[World], object]


def schedule(rng: Random) -> list[Act]:
    """One to five wishes for one or two endpoints, and what people do meanwhile."""
    endpoints = ("chat", "code") if rng.random() < 0.1 else ("chat",)
    acts = [_push(rng, 1, rng.choice((0.0, 0.0, 0.0, 3.0, 60.0)))]
    at_s = 0.0
    for number in range(1, rng.choice((1, 2, 3, 3, 3, 4, 4)) + 1):
        gap_s = 300.0 if number == 2 and rng.random() < 0.6 else rng.choice(_GAPS_S)  # the first is live by then
        at_s += gap_s * rng.uniform(0.5, 1.5)
        acts.append(_wish(rng, rng.choice(endpoints), number, at_s))
    for number in range(rng.choice((0, 0, 1, 1, 2, _MOST_VERBS))):
        acts += _verb(rng, rng.choice(endpoints), number, rng.uniform(0, at_s + 200))
    if rng.random() < 0.1:
        acts.append(_maintenance(rng, at_s))
    if rng.random() < 0.08:
        acts += _approvals(rng, endpoints[0], at_s)
    return sorted(acts, key=lambda act: act.at_s)


def disturb(world: World, rng: Random, wishes: int) -> None:
    """Plan the faults: none, one, two or three; pairs are often close together."""
    at = 0
    for _ in range(rng.choice((0, 1, 1, 2, 2, 2, 3))):
        near = at and rng.random() < 0.5
        at = at + rng.randint(1, 12) if near else rng.randint(1, 90 * wishes)
        world.calls.planned[at] = rng.choice(_FAULTS)
    if rng.random() < 0.1:
        begins = rng.uniform(0, 1500)
        world.calls.outages[rng.choice(_PORTS_OUT)] = (begins, begins + rng.choice((5.0, 60.0, 240.0)))


def _wish(rng: Random, endpoint: str, number: int, at_s: float) -> Act:
    kind = rng.random()
    if number == 1 or kind < 0.6:
        return _drop(rng, endpoint, number, at_s)
    if kind < 0.8:
        return _rollback(rng, endpoint, number, at_s)
    if kind < 0.9:
        return _push(rng, number + 1, at_s)
    return _by_hand(rng, endpoint, number, at_s)


def _drop(rng: Random, endpoint: str, number: int, at_s: float) -> Act:
    config = {
        "bakeSeconds": rng.choice((0, 20, 60, 60, 200)),
        "instanceCount": rng.choice((1, 1, 2, 4)),
        "preflight": rng.random() < 0.25,
        "strategy": rng.choice(("auto", "canary", "allAtOnce", "linear")),
    }
    chance = rng.random()
    drop = Dropped(
        endpoint,
        f"v{number}",
        Fate.GOOD if number == 1 and rng.random() < 0.8 else rng.choice(_FATES),
        marker=f"v{rng.randint(1, number)}",
        manifest={"config": config},
        without=("tokenizer.json",) if chance < 0.08 else (),
        late_s=rng.choice((3.0, 90.0, 4000.0)) if chance > 0.94 else 0.0,
    )
    delays = [rng.choice(_DELAYS_S) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    return Act(at_s, f"{drop.version} is dropped for {endpoint}", lambda world: drop_it(world, drop, delays))


def drop_it(world: World, drop: Dropped, delays: list[float]) -> None:
    event = world.upload(drop)
    seal = drop_seal(world.artifacts.bucket, event["detail"]["object"]["key"], drop.version)
    for delay_s in delays:
        world.timeline.after(delay_s, lambda: world.deliver("receive_artifact", event, seal))


def _push(rng: Random, number: int, at_s: float) -> Act:
    delays = [rng.choice(_DELAYS_S[:5]) for _ in range(rng.choice((1, 1, 2)))]
    return Act(at_s, f"image {number} is pushed", lambda world: push_it(world, number, delays))


def push_it(world: World, number: int, delays: list[float]) -> None:
    event = world.push_event(f"sha256:{number:064x}", f"release-{number}")
    for delay_s in delays:
        world.timeline.after(delay_s, lambda: world.deliver("receive_image", event, f"ecr://{number}"))


def _rollback(rng: Random, endpoint: str, number: int, at_s: float) -> Act:
    how = rng.choice(("last good", "last good", "to", "at"))
    return Act(
        at_s, f"a rollback of {endpoint}, {how}", lambda world: roll_back(world, endpoint, f"back-{number}", how)
    )


def roll_back(world: World, endpoint: str, name: str, how: str = "last good") -> Any:
    given = {"endpoint": endpoint}
    rollouts = world.table.rollouts(endpoint)
    if how == "to" and rollouts:
        given["to"] = world.rng.choice(rollouts).release_id
    if how == "at":
        given["at"] = world.event_time()
    return world.executions.start("rollback", name, given)


def _by_hand(rng: Random, endpoint: str, number: int, at_s: float) -> Act:
    version = f"v{rng.randint(1, max(1, number - 1))}"
    given: dict[str, Any] = {"endpoint": endpoint, "artifact": f"models/{endpoint}/{version}"}
    if rng.random() < 0.2:
        given["planOnly"] = True
    return Act(
        at_s,
        f"{version} of {endpoint} is started by hand",
        lambda world: world.executions.start("release", f"hand-{number}", given) and None,
    )


def _verb(rng: Random, endpoint: str, number: int, at_s: float) -> list[Act]:
    verb = rng.choice(_VERBS)
    acts = [_operate(endpoint, verb, f"{verb}-{number}", at_s)]
    undo = {"pause": "resume", "freeze": "unfreeze"}.get(verb)
    if undo:
        acts.append(_operate(endpoint, undo, f"{undo}-{number}-later", at_s + rng.choice((1.0, 60.0, 700.0))))
    return acts


def _operate(endpoint: str, verb: str, name: str, at_s: float) -> Act:
    return Act(at_s, f"somebody asks to {verb} {endpoint}", lambda world: operate(world, endpoint, verb, name))


def operate(world: World, endpoint: str, verb: str, name: str) -> Any:
    given = {"verb": verb, "endpoint": endpoint, "actor": "ana"}
    if verb != "why":
        given["reason"] = "because"
    if verb == "skip-gate":
        given["gate"] = "preflight"
    if verb == "freeze" and world.rng.random() < 0.5:
        given["until"] = stamp_after(world.timeline.clock(), world.rng.choice((2.0, 400.0, 5000.0)))
    return world.executions.start("operate", name, given)


def _approvals(rng: Random, endpoint: str, latest_s: float) -> list[Act]:
    """The endpoint requires approvals, and somebody approves now and then."""

    def begin(world: World) -> None:
        world.policies.policies[endpoint] = PolicySettings(require_approval=True)

    times_s = sorted(rng.uniform(0, latest_s + 600) for _ in range(4))
    approvals = [_operate(endpoint, "approve", f"approve-{number}-later", at_s) for number, at_s in enumerate(times_s)]
    return [Act(0.0, f"releases of {endpoint} require an approval", begin), *approvals]


def _maintenance(rng: Random, latest_s: float) -> Act:
    at_s, takes_s = rng.uniform(0, latest_s + 600), rng.choice((30.0, 600.0))

    def begin(world: World) -> None:
        for name in world.serving.endpoints:
            world.serving.busy_until[name] = world.timeline.now_s + takes_s

    return Act(at_s, "SageMaker maintains its endpoints", begin)
