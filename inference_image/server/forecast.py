"""When a request would see its first token and its last, from the pace that the engine keeps.

The engine serves first come, first served in so many slots and so many tokens of keys and values, and a request holds
room for its prompt and its longest answer from start to end (`engine.policy`). So the future is played forward:
everyone who is inside starts in order as soon as a slot and the room are free, then reads and talks at the measured
paces. What so simple a model gets wrong is learned from the requests that got their first token.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from engine.protocol import Progress

_TOKENS_PER_CHARACTER = 0.3
_LEARN = 0.1
# Too hopeful costs an answer, too careful a second try, so the forecast grows ten times as fast as it shrinks.
_LEARN_UP, _LEARN_DOWN = 0.1, 0.01
_BIAS_MIN, _BIAS_MAX = 0.5, 4.0
# Below this the clock's own noise would teach the forecast.
_TAUGHT_FROM_S = 0.05


@dataclass
class Ticket:
    """One choice of one request, from admission to its end."""

    characters: int
    """Of the prompt."""
    new_tokens: int
    """Most tokens of the answer."""
    arrived_at: float
    prompt_tokens: int | None = None
    """None until the engine has counted them."""
    said: int = 0
    """Pieces of the answer so far; about as many as tokens."""
    forecast_s: float = 0.0
    """Seconds to the first token, as predicted on arrival."""


@dataclass(frozen=True)
class Prediction:
    """Seconds from now."""

    first_token_s: float
    answer_s: float


@dataclass
class Forecast:
    """Args: slots: requests that run together; clock: seconds."""

    slots: int
    kv_tokens: int = 0
    """Room for keys and values; 0 if unknown."""
    context: int = 0
    """Most tokens of prompt and answer together; 0 if unknown."""
    clock: Callable[[], float] = time.monotonic
    token_s: float = field(default=0.0, init=False)
    """Per step in which nobody reads: each running request gets one token."""
    read_s: float = field(default=0.0, init=False)
    """Per token of a prompt."""
    _used: float = field(default=1.0, init=False)
    """Share of its longest answer that a request takes."""
    _per_character: float = field(default=_TOKENS_PER_CHARACTER, init=False)
    _bias: float = field(default=1.0, init=False)

    def note_step(self, step: Progress) -> None:
        if step.read_tokens:
            spent_s = max(0.0, step.step_s - (self.token_s if step.drawn_tokens else 0.0))
            self.read_s = _learned(self.read_s, spent_s / step.read_tokens)
        elif step.drawn_tokens:
            self.token_s = _learned(self.token_s, step.step_s)

    def note_prompt(self, ticket: Ticket, prompt_tokens: int) -> None:
        ticket.prompt_tokens = prompt_tokens
        if ticket.characters:
            self._per_character = _learned(self._per_character, prompt_tokens / ticket.characters)

    def note_piece(self, ticket: Ticket) -> None:
        ticket.said += 1
        if ticket.said == 1:
            self._learn_bias(ticket)

    def note_late(self, ticket: Ticket) -> None:
        """It got no token in time; learning from those who did alone would be too hopeful."""
        if not ticket.said:
            self._learn_bias(ticket)

    def _learn_bias(self, ticket: Ticket) -> None:
        if ticket.forecast_s > _TAUGHT_FROM_S:
            off = (self.clock() - ticket.arrived_at) / ticket.forecast_s * self._bias
            rate = _LEARN_UP if off > self._bias else _LEARN_DOWN
            self._bias = min(max(self._bias + rate * (off - self._bias), _BIAS_MIN), _BIAS_MAX)

    def note_end(self, ticket: Ticket, generated_tokens: int) -> None:
        self._used = _learned(self._used, generated_tokens / ticket.new_tokens)

    def fits(self, one: Ticket) -> bool:
        """False if the engine will refuse it for its length, whatever the load; it knows the exact numbers."""
        return not self.context or self._reserved(one) <= self.context

    def predict(self, inside: Sequence[Ticket], one: Ticket) -> Prediction:
        """Args: inside: everyone before `one`, in order of arrival."""
        ends: list[tuple[float, int]] = []
        slots, room = self.slots, self.kv_tokens
        start = reading = 0.0
        first = end = 0.0
        for ticket in [*inside, one]:
            reserved = self._reserved(ticket)
            while ends and (not slots or (self.kv_tokens and room < reserved)):
                freed_at, freed = heappop(ends)
                start, slots, room = max(start, freed_at), slots + 1, room + freed
            first = start
            if not ticket.said:
                first = reading = max(reading, start) + self._prompt(ticket) * self.read_s
            # The first token comes out of the prompt's own step.
            end = first + max(1.0, self._used * ticket.new_tokens - max(ticket.said, 1)) * self.token_s
            heappush(ends, (end, reserved))
            slots, room = slots - 1, room - reserved
        return Prediction((first + self.token_s) * self._bias, (end + self.token_s) * self._bias)

    def _prompt(self, ticket: Ticket) -> int:
        known = ticket.prompt_tokens
        return int(ticket.characters * self._per_character) + 1 if known is None else known

    def _reserved(self, ticket: Ticket) -> int:
        return self._prompt(ticket) + ticket.new_tokens


def _learned(before: float, seen: float) -> float:
    """A moving average; the first sight counts whole."""
    return seen if not before else before + _LEARN * (seen - before)
