"""The body of a request, parsed as `events/serving/invocation-request` has it."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from engine.protocol import Submit
from server.errors import Code, ServingError

_SEED_MAX = 2**63 - 1
# Longer than any context: the engine refuses it with the context's own number.
_TOKENS_MAX = 2**31
_STOPS_MAX = 4
_QUOTED = 60

Reader = Callable[[Any, str], Any]


@dataclass(frozen=True)
class Invocation:
    """What one request asks for, whichever of the two forms its body had."""

    form: Literal["chat", "text"]
    submit: Submit
    stream: bool
    include_usage: bool = False
    return_full_text: bool = False


def parse_body(body: bytes, request_id: str, *, chat_only: bool) -> Invocation:
    """Raises ServingError: invalid_json, unknown_field or invalid_request."""
    value = _json(body)
    if not isinstance(value, dict):
        _refuse(f"the body is a JSON {_kind(value)}; send an object", None)
    if "inputs" in value and "messages" not in value and not chat_only:
        return _text(_fields(value, _TEXT, ""), request_id)
    return _chat(_fields(value, _CHAT, ""), request_id)


def _chat(given: dict[str, Any], request_id: str) -> Invocation:
    if "messages" not in given:
        _refuse('the body has neither "messages" nor "inputs"; send one of them', "messages")
    submit = Submit(
        request_id,
        messages=given["messages"],
        max_tokens=given.get("max_completion_tokens", given.get("max_tokens")),
        **_sampling(given),
    )
    options = given.get("stream_options", {})
    return Invocation("chat", submit, given.get("stream", False), include_usage=options.get("include_usage", False))


def _text(given: dict[str, Any], request_id: str) -> Invocation:
    parameters = given.get("parameters", {})
    sampling = _sampling(parameters)
    if not parameters.get("do_sample", True):
        sampling["temperature"] = 0.0
    elif "do_sample" in parameters and "temperature" not in parameters:
        sampling["temperature"] = 1.0
    submit = Submit(request_id, prompt=given["inputs"], max_tokens=parameters.get("max_new_tokens"), **sampling)
    full = parameters.get("return_full_text", False)
    return Invocation("text", submit, given.get("stream", False), return_full_text=full)


def _sampling(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("temperature", "top_p", "seed", "stop") if name in given}


def _json(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise ServingError("invalid_json", f"byte {error.start} of the body is not UTF-8; send UTF-8 JSON") from error
    except RecursionError as error:
        raise ServingError("invalid_json", "the body nests too deeply; send the documented fields only") from error
    except ValueError as error:
        raise ServingError("invalid_json", f"the body is not JSON: {error}; send one JSON object") from error


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _fields(value: Any, readers: Mapping[str, Reader], path: str) -> dict[str, Any]:
    """Each field through its reader. A field that the contract does not know is refused: it may be a typo."""
    if not isinstance(value, dict):
        _refuse(f"{path} is {_quote(value)}; send an object", path)
    for name in value:
        if name not in readers:
            where = f"in {path}" if path else "in the body"
            known = ", ".join(sorted(readers))
            _refuse(
                f"{_quote(name)} {where} is unknown; known are {known}", _join(path, name[:_QUOTED]), "unknown_field"
            )
    return {name: readers[name](item, _join(path, name)) for name, item in value.items()}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _string(least: int) -> Reader:
    def read(value: Any, path: str) -> str:
        if not isinstance(value, str) or len(value) < least:
            _refuse(f"{path} is {_quote(value)}; send a string of at least {least} characters", path)
        return value

    return read


def _boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        _refuse(f"{path} is {_quote(value)}; send true or false", path)
    return value


def _whole(least: int, most: int, *, clamp: bool = False) -> Reader:
    def read(value: Any, path: str) -> int:
        # JSON has one kind of number, so 8.0 is as whole as 8.
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole or value < least or (value > most and not clamp):
            limit = f"of at least {least}" if clamp else f"from {least} to {most}"
            _refuse(f"{path} is {_quote(value)}; send a whole number {limit}", path)
        return min(int(value), most)

    return read


def _number(low: float, high: float, *, above_low: bool = False) -> Reader:
    def read(value: Any, path: str) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high or (above_low and value == low):
            _refuse(
                f"{path} is {_quote(value)}; send a number {'above' if above_low else 'from'} {low} to {high}", path
            )
        return math.fabs(float(value))

    return read


def _stop(value: Any, path: str) -> list[str]:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not 1 <= len(stops) <= _STOPS_MAX:
        _refuse(f"{path} is {_quote(value)}; send a string or a list of 1 to {_STOPS_MAX} strings", path)
    return [_string(1)(stop, path) for stop in stops]


def _one(value: Any, path: str) -> int:
    if isinstance(value, bool) or value != 1:
        _refuse(f"{path} is {_quote(value)}; only 1 answer to a request is supported, so leave it out", path)
    return 1


def _messages(value: Any, path: str) -> list[dict[str, str]]:
    if not isinstance(value, list) or not value:
        _refuse(f"{path} is {_quote(value)}; send a list of at least 1 message", path)
    return [_message(item, f"{path}[{at}]") for at, item in enumerate(value)]


def _message(value: Any, path: str) -> dict[str, str]:
    message = _fields(value, {"role": _role, "content": _string(0)}, path)
    for name in ("role", "content"):
        if name not in message:
            _refuse(f"{path} has no {name}; send role and content", path)
    return message


def _role(value: Any, path: str) -> str:
    if not isinstance(value, str) or value not in ("system", "user", "assistant"):
        _refuse(f"{path} is {_quote(value)}; send system, user or assistant", path)
    return value


def _options(value: Any, path: str) -> dict[str, Any]:
    return _fields(value, {"include_usage": _boolean}, path)


def _parameters(value: Any, path: str) -> dict[str, Any]:
    return _fields(value, _PARAMETERS, path)


def _kind(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def _quote(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def _refuse(message: str, param: str | None, code: Code = "invalid_request") -> NoReturn:
    raise ServingError(code, message, param=param)


_SAMPLING: dict[str, Reader] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1, above_low=True),
    "seed": _whole(0, _SEED_MAX),
    "stop": _stop,
}
_CHAT: dict[str, Reader] = {
    **_SAMPLING,
    "messages": _messages,
    "model": _string(0),
    "stream": _boolean,
    "stream_options": _options,
    "max_tokens": _whole(1, _TOKENS_MAX, clamp=True),
    "max_completion_tokens": _whole(1, _TOKENS_MAX, clamp=True),
    "user": _string(0),
    "n": _one,
}
_PARAMETERS: dict[str, Reader] = {
    **_SAMPLING,
    "max_new_tokens": _whole(1, _TOKENS_MAX, clamp=True),
    "do_sample": _boolean,
    "return_full_text": _boolean,
}
_TEXT: dict[str, Reader] = {"inputs": _string(1), "stream": _boolean, "parameters": _parameters}
