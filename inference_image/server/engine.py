"""The engine as the server sees it."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from engine.protocol import Failed, Finished, Rejected, RequestEvent, Submit

TERMINAL = (Finished, Rejected, Failed)


@dataclass(frozen=True)
class Loading:
    pass


@dataclass(frozen=True)
class Ready:
    pass


@dataclass(frozen=True)
class Broken:
    """It will not recover by itself; whoever runs the container replaces it."""

    reason: str


State = Loading | Ready | Broken


class Generation:
    """The events of one request; exactly one of them is terminal and it is the last."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[RequestEvent] = asyncio.Queue()

    def put(self, event: RequestEvent) -> None:
        self._events.put_nowait(event)

    async def next(self) -> RequestEvent:
        return await self._events.get()


class Engine(Protocol):
    @property
    def state(self) -> State: ...

    async def start(self) -> None:
        """Begin to load; returns at once."""

    def submit(self, request: Submit) -> Generation:
        """Only while Ready."""

    def abort(self, request_id: str) -> None:
        """Free what the request holds; nothing happens if it has ended."""

    async def stop(self) -> None:
        """End the engine; requests that still run fail."""
