"""Who runs next: a scheduler of counters. It knows no tensor and no token."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """What the device can hold and what one step may do."""

    slots: int
    """Requests that run together."""
    kv_tokens: int
    """Tokens whose keys and values fit: rows in use times the longest row."""
    prefill_tokens: int
    """Prompt tokens read in one step, so that a long prompt does not silence the running streams."""


@dataclass(frozen=True)
class Prefill:
    """Read `count` tokens of the prompt of the request in `slot`, from `start` on."""

    slot: int
    start: int
    count: int
    last: bool
    """The prompt ends here, so this chunk yields the first token."""


@dataclass(frozen=True)
class Plan:
    opened: tuple[tuple[int, str], ...]
    """(slot, request id) of those who leave the queue in this step."""
    prefill: Prefill | None
    decode: tuple[int, ...]
    """Slots that get one token each."""
    rows: int
    row_tokens: int
    """Shape that the KV cache must have for this step: rows * row_tokens <= Budget.kv_tokens."""

    @property
    def idle(self) -> bool:
        return self.prefill is None and not self.decode


@dataclass
class _Running:
    request_id: str
    prompt: int
    reserved: int
    read: int = 0


@dataclass(frozen=True)
class _Waiting:
    request_id: str
    prompt: int
    reserved: int


class Schedule:
    """First come, first served over a fixed number of slots; a request keeps its slot until it ends.

    A request reserves prompt + answer tokens when it gets its slot, so a running request is never evicted.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._waiting: deque[_Waiting] = deque()
        self._running: dict[int, _Running] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    def add(self, request_id: str, prompt_tokens: int, max_new_tokens: int) -> None:
        """Queue a request.

        Raises:
            ValueError: no step could ever run it; the caller must refuse it earlier.
        """
        reserved = prompt_tokens + max_new_tokens
        if prompt_tokens < 1 or max_new_tokens < 1 or reserved > self._budget.kv_tokens:
            raise ValueError(
                f"need 1 <= prompt, 1 <= answer, prompt + answer <= {self._budget.kv_tokens}; "
                f"got {prompt_tokens} and {max_new_tokens}"
            )
        self._waiting.append(_Waiting(request_id, prompt_tokens, reserved))

    def plan(self) -> Plan:
        """Fill free slots, then choose this step's work. The prompt that came first is read first."""
        opened = self._open()
        unread = [slot for slot, one in self._running.items() if one.read < one.prompt]
        prefill = self._chunk(unread[0]) if unread else None
        decode = tuple(sorted(slot for slot in self._running if slot not in unread))
        rows, row_tokens = self._shape()
        return Plan(opened, prefill, decode, rows, row_tokens)

    def prefilled(self, chunk: Prefill) -> None:
        self._running[chunk.slot].read += chunk.count

    def remove(self, request_id: str) -> int | None:
        """Forget a request; the slot it held, None if it was waiting or is unknown."""
        for slot, one in self._running.items():
            if one.request_id == request_id:
                del self._running[slot]
                return slot
        self._waiting = deque(one for one in self._waiting if one.request_id != request_id)
        return None

    def _open(self) -> tuple[tuple[int, str], ...]:
        opened = []
        while self._waiting and len(self._running) < self._budget.slots:
            # The lowest free slot keeps the rows of a step, and with them its cost, few.
            slot = next(number for number in range(self._budget.slots) if number not in self._running)
            first = self._waiting[0]
            rows, row_tokens = self._shape(slot, first.reserved)
            if rows * row_tokens > self._budget.kv_tokens:
                break
            self._waiting.popleft()
            self._running[slot] = _Running(first.request_id, first.prompt, first.reserved)
            opened.append((slot, first.request_id))
        return tuple(opened)

    def _chunk(self, slot: int) -> Prefill:
        one = self._running[slot]
        count = min(one.prompt - one.read, self._budget.prefill_tokens)
        return Prefill(slot, one.read, count, last=one.read + count == one.prompt)

    def _shape(self, slot: int = -1, reserved: int = 0) -> tuple[int, int]:
        rows = max([slot, *self._running]) + 1
        return rows, max([reserved, *(one.reserved for one in self._running.values())])
