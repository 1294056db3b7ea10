"""One seed, one simulation, one verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from simulation.schedules import disturb, drop_it, operate, roll_back, schedule
from simulation.world import Dropped, World

_LONGEST_S = 4 * 86_400.0
_AFTERWARDS_S = 9 * 3600.0
_DAY_S = 86_400.0
_TRIED_AFTERWARDS = 0.3
"""Part of the seeds after which the way on and the way back are tried; it takes as long as the rest."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed led to."""

    seed: int
    violations: tuple[str, ...]
    rollouts: int
    calls: int
    faults: tuple[str, ...]


def simulate(seed: int, tell: Callable[[str], None] | None = None) -> Outcome:
    """Run the simulation of one seed; the same seed gives the same outcome and the same story.

    Args:
        tell: hears the story, one line per step.
    """
    rng = Random(f"slipway {seed}")
    world = World(rng, tell)
    acts = schedule(rng)
    disturb(world, rng, len(acts))
    for act in acts:
        world.timeline.after(act.at_s, _doing(world, act.name, act.do))
    come_to_rest(world)
    faults = tuple(world.calls.struck)
    if not world.judge.violations and rng.random() < _TRIED_AFTERWARDS:
        _try_afterwards(world)
    rollouts = sum(type(item).__name__ == "RolloutItem" for item in world.table.items.values())
    return Outcome(seed, tuple(world.judge.violations), rollouts, world.calls.made, faults)


def _doing(world: World, name: str, do: Callable[[World], object]) -> Callable[[], None]:
    def act() -> None:
        world.tell(f"* {name}")
        do(world)

    return act


def come_to_rest(world: World) -> None:
    """Let everything end; then the sweep finds what is left, a second one finds nothing more, and the judge looks."""
    if not world.rest(_LONGEST_S):
        world.judge.violate(f"3 every record ends: after {_LONGEST_S / _DAY_S:.0f} days something still goes on")
    world.calls.planned.clear()
    world.calls.outages.clear()
    world.timeline.now_s += _AFTERWARDS_S
    endpoints = sorted(item.endpoint for item in world.table.endpoints())
    for again in (False, True):
        world.tell(f"* {'another' if again else 'a'} sweep, in which nothing fails")
        for endpoint in endpoints:
            world.sweep(endpoint, partial(world.judge.swept, again=again))
            world.rest(_LONGEST_S)
    world.judge.judge_rest()


def _try_afterwards(world: World) -> None:
    """However it went: when nothing fails any more, a drop goes live and a rollback brings back what served."""
    world.tell("* from here on nothing fails: a drop must go live, and a rollback must bring back what it replaced")
    operate(world, "chat", "unfreeze", "unfreeze-afterwards")
    world.policies.policies.clear()
    world.rest(_DAY_S)
    before = world.table.endpoint("chat")
    drop_it(world, Dropped("chat", "afterwards", manifest={"config": {"bakeSeconds": 0}}), [0.0])
    world.rest(_DAY_S)
    after = world.table.endpoint("chat")
    newest = max(world.table.rollouts("chat"), key=lambda each: each.created_at, default=None)
    if newest is None or str(newest.phase) != "live" or after is None or after.live_rollout_id != newest.rollout_id:
        ended = f"{newest.phase}: {newest.reason}" if newest else "nothing"
        world.judge.violate(f"8 there is always a way on: the drop afterwards is {ended}")
    elif before and before.live_release_id and not world.judge.is_adopted(before):
        followed = roll_back(world, "chat", "back-afterwards")
        world.rest(_DAY_S)
        record = world.table.endpoint("chat")
        if followed.status != "SUCCEEDED" or record is None or record.live_release_id != before.live_release_id:
            world.judge.violate(f"8 there is always a way back: {followed.status} {followed.error}: {followed.output}")
    world.judge.judge_rest()
