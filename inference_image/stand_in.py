"""A server of the same contract without torch and without a model, up in half a second: `stand_in.py [--host HOST]`.

It is the real server over an engine that answers every prompt with its own words, one word a token. For tests of what
runs servers. It misbehaves on request, by these variables, or by the same names in lower case without the prefix
in the object `"stand_in"` of the model folder's config.json, so that an artifact can carry its fault with it:

STAND_IN_START_S   seconds until the model "is loaded" (0)
STAND_IN_TOKEN_S   seconds per word (0.005)
STAND_IN_TEXT      the answer to everything, instead of the prompt's own words
STAND_IN_PING      ok; fail: the load fails, /ping says 500
STAND_IN_ANSWER    ok; fail: 500 to every request; garbage: 200 with bytes that are no JSON; break: an answer breaks off
                   after its first word; hang: no answer ever comes
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request, Sanic, raw

from engine.detokenise import StopFilter
from engine.protocol import (
    Accepted,
    Ask,
    Detokenise,
    Detokenised,
    Failed,
    Finished,
    FinishReason,
    Loaded,
    Piece,
    Progress,
    Rejected,
    RequestEvent,
    Submit,
    Tokenise,
    Tokenised,
)
from server.__main__ import serve
from server.app import create_app
from server.engine import Broken, Listener, Loading, Ready, State
from server.settings import Settings

_CONTEXT_WORDS = 4096
_PINGS = ("ok", "fail")
_ANSWERS = ("ok", "fail", "garbage", "break", "hang")


@dataclass(frozen=True)
class Behaviour:
    start_s: float = 0.0
    token_s: float = 0.005
    text: str = ""
    ping: str = "ok"
    answer: str = "ok"

    def __post_init__(self) -> None:
        for name, chosen, known in (("ping", self.ping, _PINGS), ("answer", self.answer, _ANSWERS)):
            if chosen not in known:
                raise ValueError(f"the stand-in's {name} is {chosen!r}; set it to one of {', '.join(known)}")

    @classmethod
    def read(cls, environment: Mapping[str, str], model_dir: Path) -> "Behaviour":
        """Raises ValueError or TypeError for a behaviour that does not exist."""
        config = model_dir / "config.json"
        carried = json.loads(config.read_bytes()).get("stand_in", {}) if config.is_file() else {}
        names = ("start_s", "token_s", "text", "ping", "answer")
        named = {name: environment[key] for name in names if (key := f"STAND_IN_{name.upper()}") in environment}
        found = cls(**{**carried, **named})
        return cls(float(found.start_s), float(found.token_s), found.text, found.ping, found.answer)


class StandInEngine:
    def __init__(self, behaviour: Behaviour, settings: Settings) -> None:
        self._behaviour = behaviour
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.max_concurrency)
        self._open: dict[str, tuple[asyncio.Task[None], Listener]] = {}
        self.state: State = Loading()

    async def start(self, on_progress: Callable[[Progress], None]) -> None:  # noqa: ARG002 - it has no steps
        self._starting = asyncio.create_task(self._load())

    async def _load(self) -> None:
        await asyncio.sleep(self._behaviour.start_s)
        failed = self._behaviour.ping == "fail"
        said = "the model did not load: the stand-in was told to fail"
        self.state = Broken(said, never_ready=True) if failed else Ready(self._model())

    def _model(self) -> Loaded:
        return Loaded(self._settings.max_model_len or _CONTEXT_WORDS)

    def submit(self, request: Ask, listener: Listener) -> None:
        if isinstance(request, Submit):
            self._open[request.request_id] = (asyncio.create_task(self._answer(request, listener)), listener)
        else:
            listener(_translated(request))

    def abort(self, request_id: str) -> None:
        if request_id in self._open:
            task, _ = self._open.pop(request_id)
            task.cancel()

    async def stop(self) -> None:
        self._starting.cancel()
        self.state = Broken("the stand-in has ended")
        for request_id, (_, listener) in list(self._open.items()):
            self.abort(request_id)
            listener(Failed(request_id, "this instance shut down before the answer was complete", "drained"))

    async def _answer(self, request: Submit, listener: Listener) -> None:
        prompt = request.prompt or " ".join(message["content"] for message in request.messages or [])
        refusal = self._refusal(request, len(prompt.split()))
        if refusal is not None:
            listener(refusal)
            return
        listener(Accepted(request.request_id, len(prompt.split())))
        if self._behaviour.answer == "hang":
            await asyncio.Event().wait()
        said = request.prompt or (request.messages or [{"content": ""}])[-1]["content"]
        async with self._slots:
            await self._speak(request, (self._behaviour.text or said).split(" "), len(prompt.split()), listener)

    def _refusal(self, request: Submit, words: int) -> RequestEvent | None:
        if self._behaviour.answer == "fail":
            return Failed(request.request_id, "the stand-in was told to fail every request")
        limit = self._settings.max_model_len or _CONTEXT_WORDS
        if words + (request.max_tokens or 1) <= limit:
            return None
        message = (
            f"prompt of {words} words and max_tokens {request.max_tokens or 1} exceed the context of {limit} words"
        )
        return Rejected(request.request_id, "context_length_exceeded", f"{message}; shorten the prompt", None)

    async def _speak(self, request: Submit, words: list[str], prompt_words: int, listener: Listener) -> None:
        stops = StopFilter(request.stop)
        wanted = request.max_tokens or self._settings.max_new_tokens
        count = 0
        for count, word in enumerate(words[:wanted], start=1):
            await asyncio.sleep(self._behaviour.token_s)
            if text := stops.add(word if count == 1 else f" {word}"):
                listener(Piece(request.request_id, text))
            if stops.stopped:
                break
            if self._behaviour.answer == "break":
                listener(Failed(request.request_id, "the stand-in was told to break off"))
                return
        if rest := stops.finish():
            listener(Piece(request.request_id, rest))
        cut = count == wanted and wanted < len(words) and not stops.stopped
        reason: FinishReason = "length" if cut else "stop"
        listener(Finished(request.request_id, reason, prompt_words, count))


def _translated(request: Tokenise | Detokenise) -> RequestEvent:
    """A word is a token, and its number is its length."""
    if isinstance(request, Detokenise):
        return Detokenised(request.request_id, " ".join("x" * token for token in request.tokens))
    text = request.prompt or " ".join(message["content"] for message in request.messages or [])
    return Tokenised(request.request_id, [len(word) for word in text.split()])


async def _garbage(request: Request) -> HTTPResponse | None:
    garbage = raw(b"\x00\xff<<<not json", content_type="application/octet-stream")
    return garbage if request.method == "POST" and request.path != "/ping" else None


def stand_in_app(settings: Settings) -> Sanic[Any, Any]:
    behaviour = Behaviour.read(os.environ, Path(settings.model_dir))
    app = create_app(settings, StandInEngine(behaviour, settings))
    if behaviour.answer == "garbage":
        app.register_middleware(_garbage, "request")
    return app


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], stand_in_app))
