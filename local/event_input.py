"""What a target of EventBridge receives of an event: a constant, a part of it, a template filled from it, or all of it.

Source: "Amazon EventBridge input transformation" in the EventBridge User Guide.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from jsonpath_ng.ext.parser import parse as parse_json_path

Event = dict[str, Any]
Target = Mapping[str, Any]

PREDEFINED = frozenset(
    {
        "aws.events.rule-arn",
        "aws.events.rule-name",
        "aws.events.event.ingestion-time",
        "aws.events.event",
        "aws.events.event.json",
    }
)
# A template's tokens: an escaped character, a quotation mark, or a name to fill in.
_TEMPLATE_TOKEN = re.compile(r'\\.|"|<([A-Za-z0-9_.\-]+)>', re.DOTALL)


class InvalidTemplateError(ValueError):
    """The template does not give JSON; no later attempt heals that."""


def target_input(target: Target, event: Event, about: Mapping[str, str] | None = None) -> str:
    """The body that is sent.

    Args:
        about: values of the predefined variables that the event does not hold: the rule and the time of ingestion.

    Raises:
        InvalidTemplateError: the template of a JSON object or list, filled, is not JSON.
    """
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return json.dumps(_select(target["InputPath"], event, missing=None))
    if "InputTransformer" in target:
        return _transform(target["InputTransformer"], event, about or {})
    return json.dumps(event)


def unknown_variables(transformer: Mapping[str, Any]) -> list[str]:
    """Names in the template that are neither predefined nor in its InputPathsMap."""
    known = PREDEFINED | set(transformer.get("InputPathsMap", {}))
    named = [token[1] for token in _TEMPLATE_TOKEN.finditer(transformer["InputTemplate"]) if token[1]]
    return [name for name in named if name not in known]


def _select(path: str, event: Event, missing: Any) -> Any:
    found = parse_json_path(path).find(event)
    if not found:
        return missing
    return [match.value for match in found] if "*" in path else found[0].value


def _transform(transformer: Mapping[str, Any], event: Event, about: Mapping[str, str]) -> str:
    """Fill `<name>`: inside quotes as text, elsewhere as JSON. What the event lacks is an empty string."""
    paths = transformer.get("InputPathsMap", {})
    values: dict[str, Any] = {name: _select(path, event, missing="") for name, path in paths.items()}
    values |= about
    values["aws.events.event.json"] = event
    values["aws.events.event"] = {name: value for name, value in event.items() if name != "detail"}
    quoted = False

    def fill(token: re.Match[str]) -> str:
        nonlocal quoted
        if token[0] == '"':
            quoted = not quoted
        if token[1] not in values:
            return token[0]
        value = values[token[1]]
        return _as_text(value) if quoted else json.dumps(value)

    filled = _TEMPLATE_TOKEN.sub(fill, transformer["InputTemplate"])
    if filled.lstrip().startswith(("{", "[")):
        _need_json(filled)
    return filled


def _as_text(value: Any) -> str:
    """A value inside a quoted string. EventBridge drops the quotes of objects and lists there, and escapes text."""
    if isinstance(value, str):
        return json.dumps(value)[1:-1]
    separators = (",", ": ") if isinstance(value, list) else None
    return json.dumps(value, separators=separators).replace('"', "")


def _need_json(filled: str) -> None:
    try:
        json.loads(filled)
    except ValueError as error:
        raise InvalidTemplateError(f"the filled InputTemplate is not JSON ({error}): {filled[:200]}") from error
