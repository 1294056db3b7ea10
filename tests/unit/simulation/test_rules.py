"""Releases by hypothesis: whatever people do, in whatever order, whatever fails; what goes wrong is shrunk."""

import os
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simulation.faults import Fault
from simulation.run import come_to_rest
from simulation.schedules import drop_it, operate, push_it, roll_back
from simulation.serving import Fate
from simulation.world import Dropped, World

WAITS_S = (0.0, 0.05, 1.0, 10.0, 60.0, 400.0)
VERBS = ("abort", "pause", "resume", "approve", "freeze", "unfreeze", "adopt", "why", "release-lease")
LONG = os.environ.get("SLIPWAY_PROOF") == "prove"


class Releases(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        self.world = World(Random(seed))  # noqa: S311 - draws delays, keeps no secret
        self.number = 1
        push_it(self.world, 1, [0.0])
        self.world.timeline.wait(10)

    def _next(self) -> int:
        self.number += 1
        return self.number

    @rule(fate=st.sampled_from(Fate), bake_s=st.sampled_from((0, 30)), copies=st.integers(1, 3), sound=st.booleans())
    def drop(self, fate: Fate, bake_s: int, copies: int, *, sound: bool) -> None:
        without = () if sound else ("tokenizer.json",)
        manifest = {"config": {"bakeSeconds": bake_s}}
        drop = Dropped("chat", f"v{self._next()}", fate, manifest=manifest, without=without)
        drop_it(self.world, drop, [0.0] * copies)

    @rule(delays=st.lists(st.sampled_from(WAITS_S), min_size=1, max_size=2))
    def push(self, delays: list[float]) -> None:
        push_it(self.world, self._next(), delays)

    @rule(how=st.sampled_from(("last good", "to", "at")))
    def go_back(self, how: str) -> None:
        roll_back(self.world, "chat", f"back-{self._next()}", how)

    @rule(verb=st.sampled_from(VERBS))
    def ask(self, verb: str) -> None:
        operate(self.world, "chat", verb, f"{verb}-{self._next()}")

    @rule(fault=st.sampled_from(Fault), after=st.integers(1, 40))
    def disturb(self, fault: Fault, after: int) -> None:
        self.world.calls.planned[self.world.calls.made + after] = fault

    @rule(seconds=st.sampled_from(WAITS_S))
    def wait(self, seconds: float) -> None:
        self.world.timeline.wait(seconds)

    @precondition(lambda self: self.world.table.endpoint("chat"))
    @rule()
    def sweep(self) -> None:
        self.world.sweep("chat", lambda _: None)

    @invariant()
    def nothing_is_broken(self) -> None:
        assert self.world.judge.violations == []

    def teardown(self) -> None:
        if hasattr(self, "world"):
            come_to_rest(self.world)
            assert self.world.judge.violations == []


TestReleases = Releases.TestCase
TestReleases.settings = settings(
    max_examples=600 if LONG else 25,
    stateful_step_count=15,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
