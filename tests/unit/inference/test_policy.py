"""The schedule of the engine, driven at random."""

import random

import pytest

from engine.policy import Budget, Plan, Schedule


class Reference:
    """What the outside knows about the requests, kept apart from the schedule's own counters."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.prompt: dict[str, int] = {}
        self.reserved: dict[str, int] = {}
        self.read: dict[str, int] = {}
        self.answered: dict[str, int] = {}
        self.slot: dict[str, int] = {}
        self.queue: list[str] = []

    def hold(self, plan: Plan) -> None:
        for slot, request_id in plan.opened:
            assert slot not in self.slot.values(), f"slot {slot} was given away twice"
            assert self.queue.pop(0) == request_id, "somebody jumped the queue"
            self.slot[request_id] = slot
        longest = max((self.reserved[one] for one in self.slot), default=0)
        rows = max(self.slot.values(), default=-1) + 1
        assert len(self.slot) <= self.budget.slots
        assert rows * longest <= self.budget.kv_tokens
        assert plan.rows >= rows
        assert plan.row_tokens >= longest
        assert plan.rows * plan.row_tokens <= self.budget.kv_tokens
        by_slot = {slot: one for one, slot in self.slot.items()}
        if plan.prefill is not None:
            reader = by_slot[plan.prefill.slot]
            assert plan.prefill.start == self.read[reader], "a part of the prompt was skipped or read twice"
            assert 1 <= plan.prefill.count <= self.budget.prefill_tokens
            self.read[reader] += plan.prefill.count
            assert plan.prefill.last == (self.read[reader] == self.prompt[reader])
            assert plan.prefill.slot not in plan.decode
        read_through = {self.slot[one] for one in self.slot if self.read[one] == self.prompt[one]}
        if plan.prefill is not None:
            read_through.discard(plan.prefill.slot)
        assert set(plan.decode) == read_through, "everybody who has read their prompt gets a token in every step"
        assert not plan.idle or not self.slot, "somebody holds a slot and nothing happens"

    def forget(self, request_id: str) -> None:
        self.slot.pop(request_id, None)
        if request_id in self.queue:
            self.queue.remove(request_id)
        for table in (self.prompt, self.reserved, self.read, self.answered):
            table.pop(request_id, None)


def test_ten_thousand_random_steps_leak_no_slot_and_starve_nobody() -> None:
    chance = random.Random(20261123)  # noqa: S311 - a reproducible test, not a secret
    budget = Budget(slots=5, kv_tokens=400, prefill_tokens=16)
    schedule, known = Schedule(budget), Reference(budget)
    ended = 0
    for number in range(10_000):
        if chance.random() < 0.3 and len(known.queue) < 20:
            prompt = chance.randint(1, 60)
            answer = chance.choice([1, 2, 10, 30] * 8 + [340])
            request_id = f"r{number}"
            schedule.add(request_id, prompt, answer)
            known.prompt[request_id], known.reserved[request_id] = prompt, prompt + answer
            known.read[request_id] = known.answered[request_id] = 0
            known.queue.append(request_id)
        if chance.random() < 0.02 and known.prompt:
            gone = chance.choice(sorted(known.prompt))
            assert schedule.remove(gone) == known.slot.get(gone)
            known.forget(gone)
        plan = schedule.plan()
        known.hold(plan)
        spoke = [one for one, slot in known.slot.items() if slot in plan.decode]
        if plan.prefill is not None:
            schedule.prefilled(plan.prefill)
            if plan.prefill.last:
                spoke.append(next(one for one, slot in known.slot.items() if slot == plan.prefill.slot))
        for one in spoke:
            known.answered[one] += 1
            if known.answered[one] == known.reserved[one] - known.prompt[one]:
                assert schedule.remove(one) == known.slot[one]
                known.forget(one)
                ended += 1
        assert len(schedule) == len(known.prompt)

    assert ended > 500, f"only {ended} requests came to their end"


def test_a_request_that_could_never_run_is_refused_with_the_numbers() -> None:
    schedule = Schedule(Budget(slots=1, kv_tokens=100, prefill_tokens=10))

    schedule.add("exactly", 60, 40)
    with pytest.raises(ValueError, match=r"<= 100; got 60 and 41"):
        schedule.add("one more", 60, 41)


def test_removing_a_request_that_is_gone_frees_nobody_elses_slot() -> None:
    schedule = Schedule(Budget(slots=2, kv_tokens=100, prefill_tokens=10))
    schedule.add("a", 5, 5)
    schedule.plan()

    assert schedule.remove("b") is None
    assert schedule.remove("a") == 0
    assert schedule.remove("a") is None
    assert len(schedule) == 0
