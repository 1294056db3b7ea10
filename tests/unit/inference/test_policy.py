"""The schedule of the engine, driven at random."""

import random
from dataclasses import dataclass, field

import pytest

from engine.blocks import links
from engine.policy import PLACES_PER_PRIORITY, Ask, Budget, Chunk, Opened, Plan, Schedule

BLOCK = 4
BUDGET = Budget(slots=5, blocks=40, step_tokens=16, block_tokens=BLOCK)


@dataclass
class Known:
    """What the outside knows of one request."""

    ask: Ask
    arrival: int
    prompt: list[int]
    slot: int | None = None
    blocks: tuple[int, ...] = ()
    computed: int = 0
    answer: list[int] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        return self.prompt + self.answer


class Reference:
    """Follows the plans with a memory of its own: what every block really holds, token by token."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.known: dict[str, Known] = {}
        self.written: dict[int, tuple[int, ...]] = {}
        """Per block, the whole text up to its end, as it was sealed."""
        self.opened_with_cache = 0

    def hold(self, plan: Plan) -> list[Known]:
        """Check the plan against the requests and do its work; who speaks in this step."""
        for opened in plan.opened:
            self._open(opened)
        by_slot = {one.slot: one for one in self.known.values() if one.slot is not None}
        assert len(by_slot) == sum(one.slot is not None for one in self.known.values()) <= self.budget.slots
        assert sum(chunk.count for chunk in plan.chunks) + len(plan.decode) <= self.budget.step_tokens
        reading = {slot for slot, one in by_slot.items() if one.computed < len(one.prompt)}
        assert set(plan.decode) == by_slot.keys() - reading, "whoever has read gets a token in every step"
        assert not reading or plan.chunks, "a prompt waits although the step has room"
        speakers = [self._read(by_slot[chunk.slot], chunk) for chunk in plan.chunks]
        for slot in plan.decode:
            by_slot[slot].computed += 1
        for seal in plan.seals:
            one = by_slot[seal.slot]
            assert one.blocks[seal.index] == seal.block
            end = (seal.index + 1) * self.budget.block_tokens
            assert one.computed >= end, "a block is sealed before it is full"
            self.written[seal.block] = tuple(one.ids[:end])
        return [by_slot[slot] for slot in plan.decode] + [one for one in speakers if one is not None]

    def _open(self, opened: Opened) -> None:
        one = self.known[opened.request_id]
        for other in self.known.values():
            overtakes = other.slot is None and other.ask.priority >= one.ask.priority and other.arrival < one.arrival
            assert not overtakes, "somebody jumped the queue"
            if other.slot is not None:
                assert other.slot != opened.slot, "a slot was given away twice"
                mine = set(opened.blocks[opened.cached_tokens // self.budget.block_tokens :])
                assert mine.isdisjoint(other.blocks), "two requests would write the same block"
        assert len(opened.blocks) * self.budget.block_tokens >= len(one.prompt) + one.ask.max_new_tokens
        assert opened.cached_tokens < len(one.prompt), "the last token of a prompt must be computed"
        for index in range(opened.cached_tokens // self.budget.block_tokens):
            text = tuple(one.prompt[: (index + 1) * self.budget.block_tokens])
            assert self.written[opened.blocks[index]] == text, "a shared block holds another text"
        self.opened_with_cache += opened.cached_tokens > 0
        one.slot, one.blocks, one.computed = opened.slot, opened.blocks, opened.cached_tokens

    def _read(self, one: Known, chunk: Chunk) -> Known | None:
        assert chunk.start == one.computed, "a part of the prompt was skipped or read twice"
        assert chunk.count >= 1
        one.computed += chunk.count
        assert chunk.last == (one.computed == len(one.prompt))
        return one if chunk.last else None


def test_ten_thousand_random_steps_leak_no_block_mix_up_no_text_and_starve_nobody() -> None:
    chance = random.Random(20261123)  # noqa: S311 - a reproducible test, not a secret
    schedule, world = Schedule(BUDGET), Reference(BUDGET)
    # Few different beginnings, so that the prefix cache is hit, evicted and hit again.
    beginnings = [[chance.randint(1, 9) for _ in range(12)] for _ in range(4)]
    ended, overtaken = 0, 0
    digests: dict[str, list[bytes]] = {}
    for number in range(10_000):
        waiting = [one for one in world.known.values() if one.slot is None]
        if chance.random() < 0.3 and len(waiting) < 20:
            prompt = chance.choice(beginnings)[: chance.randint(1, 12)] + [chance.randint(1, 3)] * chance.randint(0, 40)
            longest = BUDGET.kv_tokens - len(prompt)
            request_id, answer = f"r{number}", chance.choice([*[1, 2, 10, 30] * 8, longest])
            digests[request_id] = links("", prompt, BLOCK)
            ask = Ask(request_id, len(prompt), answer, digests[request_id], chance.choice([0, 0, 0, 1, -1]))
            schedule.add(ask)
            world.known[request_id] = Known(ask, number, prompt)
        if chance.random() < 0.02 and world.known:
            gone = world.known.pop(chance.choice(sorted(world.known)))
            assert schedule.remove(gone.ask.request_id, forget=chance.random() < 0.3) == gone.slot
        plan = schedule.plan()
        overtaken = max([overtaken, *(number - one.arrival for one in world.known.values() if one.slot is None)])
        speakers = world.hold(plan)
        schedule.done(plan)
        for one in speakers:
            one.answer.append(chance.randint(1, 9))
            digests[one.ask.request_id][:] = links("", one.ids, BLOCK)
            if len(one.answer) == one.ask.max_new_tokens:
                assert schedule.remove(one.ask.request_id) == one.slot
                del world.known[one.ask.request_id]
                ended += 1
        schedule.check()
        assert len(schedule) == len(world.known)

    assert ended > 500, f"only {ended} requests came to their end"
    assert world.opened_with_cache > 100, "the prefix cache was hardly hit, so the test says little about it"
    assert overtaken < 2_000, "somebody waited for a fifth of the test"


def opened_in_order(priorities: dict[str, int]) -> list[str]:
    schedule = Schedule(Budget(slots=1, blocks=10, step_tokens=8, block_tokens=BLOCK))
    for request_id, priority in priorities.items():
        schedule.add(Ask(request_id, 1, 1, priority=priority))
    order = []
    for _ in priorities:
        (opened,) = schedule.plan().opened
        order.append(opened.request_id)
        schedule.remove(opened.request_id)
    return order


def test_a_higher_priority_runs_first_and_equals_run_as_they_came() -> None:
    assert opened_in_order({"a": 0, "b": 0, "low": -1, "high": 1, "c": 0}) == ["high", "a", "b", "c", "low"]


def test_a_flood_of_higher_priority_overtakes_only_so_many_places() -> None:
    flood = {f"high{number}": 1 for number in range(PLACES_PER_PRIORITY + 10)}

    order = opened_in_order({"patient": 0, **flood})

    assert 0 < order.index("patient") <= PLACES_PER_PRIORITY


def test_a_deadline_names_the_waiting_and_the_running() -> None:
    schedule = Schedule(Budget(slots=1, blocks=10, step_tokens=8, block_tokens=BLOCK))
    schedule.add(Ask("runs", 1, 1, deadline=5.0))
    schedule.add(Ask("waits", 1, 1, deadline=7.0))
    schedule.add(Ask("has time", 1, 1))
    schedule.plan()

    assert schedule.expired(4.9) == ()
    assert schedule.expired(5.0) == ("runs",)
    assert set(schedule.expired(9.0)) == {"runs", "waits"}


def test_two_tenants_share_no_block_and_one_tenant_does() -> None:
    prompt = list(range(1, 14))

    def cached(first_salt: str, second_salt: str) -> int:
        schedule = Schedule(Budget(slots=2, blocks=20, step_tokens=50, block_tokens=BLOCK))
        schedule.add(Ask("first", len(prompt), 4, links(first_salt, prompt, BLOCK)))
        schedule.done(schedule.plan())
        schedule.add(Ask("second", len(prompt), 4, links(second_salt, prompt, BLOCK)))
        return schedule.plan().opened[0].cached_tokens

    assert cached("acme", "acme") == 12
    assert cached("acme", "globex") == 0


def test_what_a_spoilt_request_wrote_is_never_shared() -> None:
    prompt = list(range(1, 14))
    schedule = Schedule(Budget(slots=2, blocks=20, step_tokens=50, block_tokens=BLOCK))
    schedule.add(Ask("spoilt", len(prompt), 4, links("", prompt, BLOCK)))
    schedule.done(schedule.plan())

    schedule.remove("spoilt", forget=True)
    schedule.add(Ask("next", len(prompt), 4, links("", prompt, BLOCK)))

    assert schedule.plan().opened[0].cached_tokens == 0


def test_a_request_that_could_never_run_is_refused_with_the_numbers() -> None:
    schedule = Schedule(Budget(slots=1, blocks=25, step_tokens=10, block_tokens=BLOCK))

    schedule.add(Ask("exactly", 60, 40))
    with pytest.raises(ValueError, match=r"<= 100; got 60 and 41"):
        schedule.add(Ask("one more", 60, 41))


def test_a_budget_without_room_for_a_prompt_beside_everybody_is_refused() -> None:
    with pytest.raises(ValueError, match="step_tokens > slots; got 8, 10, 16 and 8"):
        Budget(slots=8, blocks=10, step_tokens=8)


def test_removing_a_request_that_is_gone_frees_nobody_elses_slot() -> None:
    schedule = Schedule(Budget(slots=2, blocks=25, step_tokens=10, block_tokens=BLOCK))
    schedule.add(Ask("a", 5, 5))
    schedule.plan()

    assert schedule.remove("b") is None
    assert schedule.remove("a") == 0
    assert schedule.remove("a") is None
    assert len(schedule) == 0
    schedule.check()


def test_books_that_do_not_add_up_are_an_error_with_the_numbers() -> None:
    schedule = Schedule(Budget(slots=2, blocks=25, step_tokens=10, block_tokens=BLOCK))
    schedule._pool._free.pop()

    with pytest.raises(RuntimeError, match="25 blocks, but 24 free, 0 held, 0 idle"):
        schedule.check()
