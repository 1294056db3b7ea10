"""Starts the engine process and shares its answers out."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from engine.protocol import Abort, Beat, Configure, Failed, Loaded, LoadFailed, Message, Submit, decode, encode
from server.engine import TERMINAL, Broken, Generation, Loading, Ready, State
from server.settings import Settings

logger = logging.getLogger(__name__)

_IMAGE_ROOT = Path(__file__).resolve().parents[1]
_LINE_BYTES = 64 << 20
_STALL_S = 60.0
_STOP_S = 3.0


def _environment() -> dict[str, str]:
    own = {"PYTHONPATH": str(_IMAGE_ROOT), "PYTHONUNBUFFERED": "1"}
    # Threads that spin at each barrier make a step five to ten times as slow as soon as anything else wants the cores.
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **own}


class EngineProcess:
    """One engine process for the life of the server. It is not restarted: its end is the container's failure."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state: State = Loading()
        self._open: dict[str, Generation] = {}
        self._started_at = self._heard_at = time.monotonic()

    @property
    def state(self) -> State:
        silent_s = time.monotonic() - self._heard_at
        if isinstance(self._state, Ready) and silent_s > _STALL_S:
            return Broken(f"the engine has not moved for {silent_s:.0f} s, limit {_STALL_S:.0f} s")
        return self._state

    async def start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "engine",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                env=_environment(),
            )
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=_LINE_BYTES)
        self._send(self._configure())
        self._listening = asyncio.create_task(self._listen())

    def submit(self, request: Submit) -> Generation:
        generation = Generation()
        if isinstance(self._state, Broken):
            generation.put(Failed(request.request_id, self._state.reason))
            return generation
        self._open[request.request_id] = generation
        self._send(request)
        return generation

    def abort(self, request_id: str) -> None:
        if self._open.pop(request_id, None) is not None and not isinstance(self._state, Broken):
            self._send(Abort(request_id))

    async def stop(self) -> None:
        """Hang up; the engine ends by itself, or is killed after a few seconds."""
        self._break("this instance shut down before the answer was complete; send the request again", "draining")
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
                self._heard_at = time.monotonic()
                for event in decode(line):
                    self._hear(event)
        code = await self._process.wait()
        if not isinstance(self._state, Broken):
            self._fail(f"the engine process ended with exit code {code}; its log has the cause")

    def _hear(self, event: Any) -> None:
        match event:
            case Loaded():
                self._state = Ready()
                logger.info("model loaded after %.1f s", time.monotonic() - self._started_at)
            case LoadFailed(reason):
                self._fail(f"the model did not load: {reason}")
            case Beat():
                pass
            case _:
                self._deliver(event)

    def _deliver(self, event: Any) -> None:
        generation = self._open.get(event.request_id)
        if generation is None:
            return  # aborted while the event was on its way
        if isinstance(event, TERMINAL):
            del self._open[event.request_id]
        generation.put(event)

    def _fail(self, reason: str) -> None:
        logger.error("engine failed: %s", reason)
        self._break(reason)

    def _break(self, reason: str, code: str = "engine_failed") -> None:
        self._state = Broken(reason)
        for request_id, generation in self._open.items():
            generation.put(Failed(request_id, reason, code))
        self._open.clear()
