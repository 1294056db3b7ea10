"""The wall between the policy and the device: what the loop asks, in words that know no tensor."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from engine.policy import Opened, Plan
from engine.protocol import Submit


class OutOfDeviceMemoryError(Exception):
    """The step did not fit into the device's memory; nothing of it was kept. A smaller one may fit."""


class Drawn(NamedTuple):
    """The token chosen for one slot."""

    token: int
    logprob: float | None = None
    """In nats, of the model's own distribution; None if nobody asked."""
    likeliest: tuple[tuple[int, float], ...] = ()


class Device(Protocol):
    def open(self, opened: Opened, request: Submit, prompt: Sequence[int]) -> None: ...

    def close(self, slot: int) -> None: ...

    def step(self, plan: Plan) -> dict[int, Drawn | FloatingPointError]:
        """Run the plan: a token for each slot that decodes or ends its prompt; an error concerns that slot only.

        Raises:
            OutOfDeviceMemoryError: the plan has not been run.
        """
