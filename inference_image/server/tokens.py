"""/tokenize and /detokenize, in vLLM's shapes: what a prompt costs before it is sent.

Source: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
"""

import asyncio
import uuid
from typing import Any

from engine.protocol import Ask, Detokenise, Detokenised, Failed, Rejected, Tokenise, Tokenised
from server.body import read_json
from server.engine import Engine, model_of
from server.errors import ServingError
from server.fields import Reader, fields, need, refuse, string, whole
from server.parse import read_messages

_TOKENS_MAX = 100_000
_WAIT_S = 20.0


async def tokenize(engine: Engine, body: bytes) -> dict[str, Any]:
    """Raises ServingError."""
    given = fields(read_json(body), _TOKENIZE, "")
    if ("prompt" in given) == ("messages" in given):
        refuse('send either "prompt" or "messages"', "prompt")
    asked = Tokenise(uuid.uuid4().hex, messages=given.get("messages"), prompt=given.get("prompt"))
    said = await _ask(engine, asked)
    if not isinstance(said, Tokenised):
        raise TypeError(f"the engine answered Tokenise with {type(said).__name__}")
    model = model_of(engine)
    return {"count": len(said.tokens), "max_model_len": model.max_model_len if model else 0, "tokens": said.tokens}


async def detokenize(engine: Engine, body: bytes) -> dict[str, Any]:
    """Raises ServingError."""
    given = fields(read_json(body), _DETOKENIZE, "")
    said = await _ask(engine, Detokenise(uuid.uuid4().hex, need(given, "tokens", "the body")))
    if not isinstance(said, Detokenised):
        raise TypeError(f"the engine answered Detokenise with {type(said).__name__}")
    return {"prompt": said.text}


async def _ask(engine: Engine, asked: Ask) -> Any:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    engine.submit(asked, heard.put_nowait)
    try:
        async with asyncio.timeout(_WAIT_S):
            said = await heard.get()
    except TimeoutError as error:
        raise ServingError("deadline_exceeded", f"the tokenizer did not answer in {_WAIT_S:g} s; ask again") from error
    finally:
        engine.abort(asked.request_id)
    if isinstance(said, Rejected | Failed):
        raise ServingError(said.code, said.message, param=getattr(said, "param", None))  # type: ignore[arg-type] # checked by the schema of errors
    return said


def _tokens(value: Any, path: str) -> list[int]:
    if not isinstance(value, list) or len(value) > _TOKENS_MAX:
        refuse(f"{path} is no list of at most {_TOKENS_MAX} whole numbers; send one", path)
    return [whole(0, 2**31)(token, path) for token in value]


_TOKENIZE: dict[str, Reader] = {"model": string(0), "prompt": string(0), "messages": read_messages}
_DETOKENIZE: dict[str, Reader] = {"model": string(0), "tokens": _tokens}
