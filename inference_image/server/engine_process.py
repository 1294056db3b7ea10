"""Starts the engine process and shares its answers out."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.protocol import Abort, Ask, Beat, Configure, Failed, Loaded, LoadFailed, Message, Progress, decode, encode
from server.engine import TERMINAL, Broken, Listener, Loading, Ready, Stalled, State
from server.health import Watch
from server.settings import Settings

logger = logging.getLogger(__name__)

_IMAGE_ROOT = Path(__file__).resolve().parents[1]
_LINE_BYTES = 64 << 20
_STOP_S = 3.0
_REAL = ("-m", "engine")


def environment() -> dict[str, str]:
    own = {"PYTHONPATH": str(_IMAGE_ROOT), "PYTHONUNBUFFERED": "1"}
    # Threads spin some 20 µs at each barrier, then sleep. Sleeping at once costs 50 µs at each of a step's hundreds of
    # barriers; spinning on makes a step many times as slow as soon as anything else wants the cores.
    return {"GOMP_SPINCOUNT": "10000", **os.environ, **own}


class EngineProcess:
    """One engine process for the life of the server. It is not restarted: its end is the container's failure.

    Args:
        program: arguments of the Python interpreter; the number of the channel's file descriptor is appended.
    """

    def __init__(self, settings: Settings, program: Sequence[str] = _REAL) -> None:
        self._settings, self._program = settings, program
        self._state: State = Loading()
        self._open: dict[str, Listener] = {}
        self._watch = Watch()
        self._started_at = time.monotonic()

    @property
    def state(self) -> State:
        if isinstance(self._state, Ready) and (reason := self._watch.hung) is not None:
            return Stalled(reason, self._state.model)
        return self._state

    async def start(self, on_progress: Callable[[Progress], None]) -> None:
        self._on_progress = on_progress
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._program,
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                env=environment(),
            )
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=_LINE_BYTES)
        self._send(self._configure())
        self._listening = asyncio.create_task(self._listen())

    def submit(self, request: Ask, listener: Listener) -> None:
        if isinstance(self._state, Broken):
            listener(Failed(request.request_id, self._state.reason))
            return
        self._open[request.request_id] = listener
        self._send(request)

    def abort(self, request_id: str) -> None:
        if self._open.pop(request_id, None) is not None and not isinstance(self._state, Broken):
            self._send(Abort(request_id))

    async def stop(self) -> None:
        """Hang up; the engine ends by itself, or is killed after a few seconds."""
        self._break(Broken("this instance shut down before the answer was complete; send the request again"), "drained")
        self._writer.close()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening

    def _configure(self) -> Configure:
        chosen = self._settings
        return Configure(
            model_dir=chosen.model_dir,
            max_concurrency=chosen.max_concurrency,
            max_model_len=chosen.max_model_len,
            max_new_tokens=chosen.max_new_tokens,
            dtype=chosen.dtype,
            threads=chosen.threads,
        )

    def _send(self, message: Message) -> None:
        self._writer.write(encode([message]))

    async def _listen(self) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await self._reader.readline():
                self._watch.heard()
                for event in decode(line):
                    self._hear(event)
        code = await self._process.wait()
        if not isinstance(self._state, Broken):
            self._fail(Broken(f"the engine process ended with exit code {code}; its log has the cause"))

    def _hear(self, event: Any) -> None:
        match event:
            case Loaded():
                self._state = Ready(event)
                logger.info("model loaded after %.1f s", time.monotonic() - self._started_at)
            case LoadFailed(reason):
                self._fail(Broken(f"the model did not load: {reason}", never_ready=True))
            case Progress():
                self._watch.heard(event.step_s)
                self._on_progress(event)
            case Beat():
                pass
            case _:
                self._deliver(event)

    def _deliver(self, event: Any) -> None:
        listener = self._open.get(event.request_id)
        if listener is None:
            return  # aborted while the event was on its way
        if isinstance(event, TERMINAL):
            del self._open[event.request_id]
        listener(event)

    def _fail(self, broken: Broken) -> None:
        logger.error("engine failed: %s", broken.reason)
        self._break(broken, "engine_failed")

    def _break(self, broken: Broken, code: str) -> None:
        self._state = broken
        ended, self._open = self._open, {}
        for request_id, listener in ended.items():
            listener(Failed(request_id, broken.reason, code))
