"""JSON that can be read in one way only, within bounds. Two readers that disagree about a file are a way in."""

import json
from typing import Any, NoReturn

MAX_CONTAINERS = 1_000_000
"""Objects and lists in one text: each costs Python some hundred bytes, so a short text could fill a function's memory.
The tokenizer with the most merges in use, 514,000 pairs, stays below."""


class JsonError(ValueError):
    """The text is refused; the message continues a sentence that begins with the file's name."""


def parse(text: bytes) -> Any:
    """The text's value.

    Raises:
        JsonError: no UTF-8 without byte order mark, no JSON by RFC 8259, a name that stands twice in one object, or
            more than MAX_CONTAINERS objects and lists.
    """
    if text.count(b"{") + text.count(b"[") > MAX_CONTAINERS:
        raise JsonError(f"holds more than {MAX_CONTAINERS} JSON objects and lists; it is no file of a model")
    try:
        return json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except JsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise JsonError("is not valid JSON; upload it again") from error


def parse_object(text: bytes) -> dict[str, Any]:
    """Like `parse`, for what must be an object."""
    value = parse(text)
    if not isinstance(value, dict):
        raise JsonError("is not a JSON object; upload it again")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise JsonError(f"sets {twice!r} twice, and readers differ in which one counts; save it again")
    return found


def _refuse(constant: str) -> NoReturn:
    raise JsonError(f"holds the number {constant}, which JSON does not have; save it again")
