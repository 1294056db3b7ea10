"""What a request asks for: the three forms of `events/serving` (chat, text generation, completion)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from engine.protocol import Submit
from server.body import read_json
from server.fields import Reader, an_object, boolean, fields, kind, need, number, quote, refuse, string, whole

_SEED_MAX = 2**63 - 1
# Longer than any context: the engine refuses it with the context's own number.
_TOKENS_MAX = 2**31
_STOPS_MAX = 4
_SALT_MAX = 256
_CHOICES_MAX = 16
# OpenAI's default, https://platform.openai.com/docs/api-reference/completions/create
_COMPLETION_TOKENS = 16

Form = Literal["chat", "text", "completion"]


@dataclass(frozen=True)
class Invocation:
    """What one request asks for, whichever form its body had."""

    form: Form
    submits: tuple[Submit, ...]
    """One for each choice of the answer: those of the first prompt, then those of the second, and so on."""
    stream: bool
    include_usage: bool = False
    return_full_text: bool = False
    model: str | None = None
    choices_per_prompt: int = 1

    @property
    def submit(self) -> Submit:
        return self.submits[0]


def parse_body(body: bytes, request_id: str, *, chat_only: bool) -> Invocation:
    """Raises ServingError: invalid_json, unknown_field, invalid_request or body_too_large."""
    value = _top(body)
    if "inputs" in value and "messages" not in value and not chat_only:
        return _text(fields(value, _TEXT, ""), request_id)
    return _chat(fields(value, _CHAT, ""), request_id)


def parse_completion(body: bytes, request_id: str) -> Invocation:
    """Raises ServingError: as `parse_body`."""
    given = fields(_top(body), _COMPLETION, "")
    prompts = need(given, "prompt", "prompt") if "prompt" in given else refuse('send a "prompt"', "prompt")
    submits = [
        Submit(
            request_id,
            prompt=prompt,
            max_tokens=given.get("max_tokens", _COMPLETION_TOKENS),
            logprobs=given.get("logprobs"),
            **_sampling(given),
        )
        for prompt in prompts
    ]
    return _invocation("completion", submits, given, return_full_text=given.get("echo", False))


def _chat(given: dict[str, Any], request_id: str) -> Invocation:
    if "messages" not in given:
        refuse('the body has neither "messages" nor "inputs"; send one of them', "messages")
    submit = Submit(
        request_id,
        messages=given["messages"],
        max_tokens=given.get("max_completion_tokens", given.get("max_tokens")),
        logprobs=_logprobs(given),
        json_schema=given.get("response_format"),
        **_sampling(given),
    )
    return _invocation("chat", [submit], given)


def _text(given: dict[str, Any], request_id: str) -> Invocation:
    parameters = given.get("parameters", {})
    sampling = _sampling(parameters)
    if not parameters.get("do_sample", True):
        sampling["temperature"] = 0.0
    elif "do_sample" in parameters and "temperature" not in parameters:
        sampling["temperature"] = 1.0
    submit = Submit(request_id, prompt=given["inputs"], max_tokens=parameters.get("max_new_tokens"), **sampling)
    return _invocation("text", [submit], given, return_full_text=parameters.get("return_full_text", False))


def _invocation(
    form: Form, submits: list[Submit], given: Mapping[str, Any], *, return_full_text: bool = False
) -> Invocation:
    count = given.get("n", 1)
    if len(submits) * count > _CHOICES_MAX:
        refuse(
            f"{len(submits)} prompts with n {count} ask for {len(submits) * count} choices, limit {_CHOICES_MAX}", "n"
        )
    each = [_choice(submit, number) for submit in submits for number in range(count)]
    head = submits[0].request_id
    return Invocation(
        form,
        tuple(replace(one, request_id=f"{head}-{at}") for at, one in enumerate(each)) if len(each) > 1 else tuple(each),
        given.get("stream", False),
        include_usage=given.get("stream_options", {}).get("include_usage", False),
        return_full_text=return_full_text,
        model=given.get("model"),
        choices_per_prompt=count,
    )


def _choice(submit: Submit, number: int) -> Submit:
    """One seed for all choices would draw the same answer again and again."""
    return submit if submit.seed is None else replace(submit, seed=(submit.seed + number) % (_SEED_MAX + 1))


def _sampling(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in _SAMPLING if name in given}


def _logprobs(given: Mapping[str, Any]) -> int | None:
    wanted = given.get("logprobs", False)
    if "top_logprobs" in given and not wanted:
        refuse("top_logprobs needs logprobs; send logprobs true or leave both out", "top_logprobs")
    return int(given.get("top_logprobs", 0)) if wanted else None


def _top(body: bytes) -> dict[str, Any]:
    value = read_json(body)
    if not isinstance(value, dict):
        refuse(f"the body is a JSON {kind(value)}; send an object", None)
    return value


def _stop(value: Any, path: str) -> list[str]:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not 1 <= len(stops) <= _STOPS_MAX:
        refuse(f"{path} is {quote(value)}; send a string or a list of 1 to {_STOPS_MAX} strings", path)
    return [string(1)(stop, path) for stop in stops]


def read_messages(value: Any, path: str) -> list[dict[str, str]]:
    if not isinstance(value, list) or not value:
        refuse(f"{path} is {quote(value)}; send a list of at least 1 message", path)
    return [_message(item, f"{path}[{at}]") for at, item in enumerate(value)]


def _message(value: Any, path: str) -> dict[str, str]:
    message = fields(value, {"role": _role, "content": string(0)}, path)
    for name in ("role", "content"):
        if name not in message:
            refuse(f"{path} has no {name}; send role and content", path)
    return message


def _role(value: Any, path: str) -> str:
    if not isinstance(value, str) or value not in ("system", "user", "assistant"):
        refuse(f"{path} is {quote(value)}; send system, user or assistant", path)
    return value


def _prompts(value: Any, path: str) -> list[str]:
    prompts = [value] if isinstance(value, str) else value
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= _CHOICES_MAX:
        refuse(f"{path} is {quote(value)}; send a string or a list of 1 to {_CHOICES_MAX} strings", path)
    return [string(1)(prompt, path) for prompt in prompts]


def _options(value: Any, path: str) -> dict[str, Any]:
    return fields(value, {"include_usage": boolean}, path)


def _parameters(value: Any, path: str) -> dict[str, Any]:
    return fields(value, _PARAMETERS, path)


def _format(value: Any, path: str) -> str | None:
    """The JSON schema that the answer must meet, as text; None for plain text."""
    asked = value.get("type") if isinstance(value, dict) else None
    if asked == "json_schema":
        return str(need(fields(value, {"type": string(0), "json_schema": _named_schema}, path), "json_schema", path))
    if asked not in ("text", "json_object"):
        refuse(f"{path} is {quote(value)}; send an object of type text, json_object or json_schema", path)
    fields(value, {"type": string(0)}, path)
    return None if asked == "text" else '{"type":"object"}'


def _named_schema(value: Any, path: str) -> str:
    readers: dict[str, Reader] = {
        "name": string(0),
        "description": string(0),
        "strict": boolean,
        "schema": an_object,
    }
    return json.dumps(need(fields(value, readers, path), "schema", path))


_SAMPLING: dict[str, Reader] = {
    "temperature": number(0, 2),
    "top_p": number(0, 1, above_low=True),
    "seed": whole(0, _SEED_MAX),
    "stop": _stop,
    "top_k": whole(0, _TOKENS_MAX, clamp=True),
    "min_p": number(0, 1),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "repetition_penalty": number(0, 2, above_low=True),
    "ignore_eos": boolean,
    "priority": whole(-2, 2),
    "cache_salt": string(0, _SALT_MAX),
}
_OPENAI: dict[str, Reader] = {
    **_SAMPLING,
    "model": string(0),
    "stream": boolean,
    "stream_options": _options,
    "max_tokens": whole(1, _TOKENS_MAX, clamp=True),
    "user": string(0),
    "n": whole(1, _CHOICES_MAX),
}
_CHAT: dict[str, Reader] = {
    **_OPENAI,
    "messages": read_messages,
    "max_completion_tokens": whole(1, _TOKENS_MAX, clamp=True),
    "logprobs": boolean,
    "top_logprobs": whole(0, 20),
    "response_format": _format,
}
_COMPLETION: dict[str, Reader] = {
    **_OPENAI,
    "prompt": _prompts,
    "echo": boolean,
    "logprobs": whole(0, 5),
}
_PARAMETERS: dict[str, Reader] = {
    **_SAMPLING,
    "max_new_tokens": whole(1, _TOKENS_MAX, clamp=True),
    "do_sample": boolean,
    "return_full_text": boolean,
    "details": boolean,
}
_TEXT: dict[str, Reader] = {"inputs": string(1), "stream": boolean, "parameters": _parameters}
