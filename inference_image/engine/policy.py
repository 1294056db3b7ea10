"""Who runs next: a scheduler of counters. It knows no tensor, no token and no clock."""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.blocks import BlockPool

# A request overtakes at most this many earlier ones per level of priority, so nobody waits for ever.
PLACES_PER_PRIORITY = 64


@dataclass(frozen=True)
class Budget:
    """What the device can hold and what one step may do.

    Raises:
        ValueError: a step has no room for a prompt beside everybody's next token.
    """

    slots: int
    """Requests that run together."""
    blocks: int
    """Blocks of the KV cache."""
    step_tokens: int
    """Tokens computed in one step at most, so that a long prompt does not silence the running streams."""
    block_tokens: int = 16

    def __post_init__(self) -> None:
        if min(self.slots, self.blocks, self.block_tokens) < 1 or self.step_tokens <= self.slots:
            raise ValueError(
                f"need slots, blocks, block_tokens >= 1 and step_tokens > slots; got {self.slots}, {self.blocks}, "
                f"{self.block_tokens} and {self.step_tokens}"
            )

    @property
    def kv_tokens(self) -> int:
        return self.blocks * self.block_tokens


@dataclass(frozen=True)
class Ask:
    """A request as the scheduler sees it."""

    request_id: str
    prompt_tokens: int
    max_new_tokens: int
    digests: Sequence[bytes] = ()
    """Of the sequence's full blocks; the caller may append while the answer grows."""
    priority: int = 0
    """Higher runs earlier."""
    deadline: float | None = None
    """On the clock of `expired`."""


@dataclass(frozen=True)
class Opened:
    """A request leaves the queue and gets a slot."""

    slot: int
    request_id: str
    blocks: tuple[int, ...]
    """Its block table; enough for the prompt and the longest answer."""
    cached_tokens: int
    """Tokens at its beginning whose keys and values are in the first blocks already."""


@dataclass(frozen=True)
class Chunk:
    """Read `count` tokens of the prompt of the request in `slot`, from `start` on."""

    slot: int
    start: int
    count: int
    last: bool
    """The prompt ends here, so this chunk yields the first token."""


@dataclass(frozen=True)
class Seal:
    """After the step, block `block` holds block number `index` of the slot's sequence for good."""

    slot: int
    index: int
    block: int


@dataclass(frozen=True)
class Plan:
    opened: tuple[Opened, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    decode: tuple[int, ...] = ()
    """Slots that get one token each."""
    seals: tuple[Seal, ...] = ()

    @property
    def idle(self) -> bool:
        return not self.chunks and not self.decode


@dataclass
class _Running:
    ask: Ask
    blocks: list[int]
    computed: int
    """Tokens whose keys and values are written."""
    sealed: int
    """Blocks at the beginning that are known or were found to be known."""

    @property
    def reading(self) -> bool:
        return self.computed < self.ask.prompt_tokens


@dataclass(order=True, frozen=True)
class _Waiting:
    place: int
    arrival: int
    ask: Ask = field(compare=False)


class Schedule:
    """First come, first served within a priority; a request keeps its slot until it ends.

    A request reserves blocks for prompt and answer when it gets its slot, so a running request is never evicted.
    Whoever is first in the queue waits for its blocks; nobody smaller overtakes it.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._pool = BlockPool(budget.blocks)
        self._waiting: list[_Waiting] = []
        self._running: dict[int, _Running] = {}
        self._slot_of: dict[str, int] = {}
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def reserved_tokens(self) -> int:
        """Room for keys and values that running requests hold; what they share counts once."""
        return (self._budget.blocks - self._pool.available) * self._budget.block_tokens

    def add(self, ask: Ask) -> None:
        """Queue a request.

        Raises:
            ValueError: no step could ever run it; the caller must refuse it earlier.
        """
        reserved = ask.prompt_tokens + ask.max_new_tokens
        if ask.prompt_tokens < 1 or ask.max_new_tokens < 1 or reserved > self._budget.kv_tokens:
            raise ValueError(
                f"need 1 <= prompt, 1 <= answer, prompt + answer <= {self._budget.kv_tokens}; "
                f"got {ask.prompt_tokens} and {ask.max_new_tokens}"
            )
        self._arrivals += 1
        insort(self._waiting, _Waiting(self._arrivals - ask.priority * PLACES_PER_PRIORITY, self._arrivals, ask))

    def expired(self, now: float) -> tuple[str, ...]:
        """Requests whose deadline has passed, running or waiting; they stay until `remove`."""
        asks = [*(one.ask for one in self._running.values()), *(one.ask for one in self._waiting)]
        return tuple(ask.request_id for ask in asks if ask.deadline is not None and ask.deadline <= now)

    def plan(self) -> Plan:
        """Fill free slots, then choose this step's work: a token for whoever has read, the rest for prompts."""
        opened = self._open()
        decode = tuple(sorted(slot for slot, one in self._running.items() if not one.reading))
        chunks = self._chunks(self._budget.step_tokens - len(decode))
        return Plan(opened, chunks, decode, self._seals(chunks, decode))

    def done(self, plan: Plan) -> None:
        """The device has run the plan."""
        for slot, computed in self._after(plan.chunks, plan.decode).items():
            self._running[slot].computed = computed
        for seal in plan.seals:
            one = self._running[seal.slot]
            self._pool.seal(seal.block, one.ask.digests[seal.index])
            one.sealed = seal.index + 1

    def remove(self, request_id: str, *, forget: bool = False) -> int | None:
        """Drop a request; the slot it held, None if it was waiting or is unknown.

        Args:
            forget: what it has written must not be used again.
        """
        slot = self._slot_of.pop(request_id, None)
        if slot is None:
            self._waiting = [one for one in self._waiting if one.ask.request_id != request_id]
            return None
        self._pool.give_back(self._running.pop(slot).blocks, forget=forget)
        return slot

    def check(self) -> None:
        """Raises RuntimeError if a block is lost, or held although nobody runs."""
        self._pool.check()
        if not self._running and self._pool.available != self._budget.blocks:
            raise RuntimeError(f"nobody runs, but {self._pool.available} of {self._budget.blocks} blocks are available")

    def _open(self) -> tuple[Opened, ...]:
        opened = []
        while self._waiting and len(self._running) < self._budget.slots:
            ask = self._waiting[0].ask
            size = self._budget.block_tokens
            # The last token of a prompt is always computed, because the first token of the answer comes from it.
            shared = self._pool.match(ask.digests[: (ask.prompt_tokens - 1) // size])
            needed = -(-(ask.prompt_tokens + ask.max_new_tokens) // size)
            blocks = self._pool.take(shared, needed - len(shared))
            if blocks is None:
                break
            self._waiting.pop(0)
            # The lowest free slot keeps the slots of a step close together.
            slot = next(number for number in range(self._budget.slots) if number not in self._running)
            cached = len(shared) * size
            self._running[slot] = _Running(ask, blocks, cached, len(shared))
            self._slot_of[ask.request_id] = slot
            opened.append(Opened(slot, ask.request_id, tuple(blocks), cached))
        return tuple(opened)

    def _chunks(self, room: int) -> tuple[Chunk, ...]:
        """Prompts in the order of their arrival in the slots, as far as the step has room."""
        chunks = []
        for slot, one in self._running.items():
            count = min(one.ask.prompt_tokens - one.computed, room)
            if count > 0:
                chunks.append(Chunk(slot, one.computed, count, one.computed + count == one.ask.prompt_tokens))
                room -= count
        return tuple(chunks)

    def _after(self, chunks: Sequence[Chunk], decode: Sequence[int]) -> dict[int, int]:
        read = {chunk.slot: chunk.start + chunk.count for chunk in chunks}
        return {**read, **{slot: self._running[slot].computed + 1 for slot in decode}}

    def _seals(self, chunks: Sequence[Chunk], decode: Sequence[int]) -> tuple[Seal, ...]:
        seals = []
        for slot, computed in self._after(chunks, decode).items():
            one = self._running[slot]
            full = min(computed // self._budget.block_tokens, len(one.ask.digests))
            seals += [Seal(slot, index, one.blocks[index]) for index in range(one.sealed, full)]
        return tuple(seals)
