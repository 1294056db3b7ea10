"""The engine as the server sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.protocol import (
    Ask,
    Detokenised,
    Failed,
    Finished,
    Loaded,
    Progress,
    Rejected,
    RequestEvent,
    Tokenised,
)

TERMINAL = (Finished, Rejected, Failed, Tokenised, Detokenised)

Listener = Callable[[RequestEvent], None]
"""Hears the events of one request; exactly one of them is terminal and it is the last."""


@dataclass(frozen=True)
class Loading:
    pass


@dataclass(frozen=True)
class Ready:
    model: Loaded


@dataclass(frozen=True)
class Stalled:
    """It has been silent for too long. It may come back."""

    reason: str
    model: Loaded


@dataclass(frozen=True)
class Broken:
    """It will not recover by itself; whoever runs the container replaces it."""

    reason: str
    never_ready: bool = False
    """The model could not be loaded: the release is at fault, not the instance."""


State = Loading | Ready | Stalled | Broken


class Engine(Protocol):
    @property
    def state(self) -> State: ...

    async def start(self, on_progress: Callable[[Progress], None]) -> None:
        """Begin to load; returns at once. Args: on_progress: called after every step."""

    def submit(self, request: Ask, listener: Listener) -> None:
        """Only while Ready or Stalled."""

    def abort(self, request_id: str) -> None:
        """Free what the request holds; nothing happens if it has ended."""

    async def stop(self) -> None:
        """End the engine; requests that still run fail as drained."""


def model_of(engine: Engine) -> Loaded | None:
    """None while there is no model."""
    state = engine.state
    return state.model if isinstance(state, Ready | Stalled) else None
