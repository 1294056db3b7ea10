"""JSONata as Step Functions takes it, by the library that the embedded AWS uses too.

Names and paths alone, which most expressions are, are read directly: a test holds both readings against each other.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jsonata.jsonata import Jsonata

_EXPRESSION = re.compile(r"^\{%\s*(.*?)\s*%\}$", re.DOTALL)
_PLAIN = re.compile(r"\$(\w+(?:\.\w+)*)")
_READ = re.compile(r"\$(\w+(?:\.\w+)*)(?!\()\b")
_MOST_REMEMBERED = 20_000


class QueryEvaluationError(Exception):
    """`States.QueryEvaluationError`: the expression cannot be evaluated or gives nothing.

    Source: Step Functions developer guide, "Transforming data with JSONata in Step Functions".
    """


Scope = Mapping[str, Any]
"""Variables by name, `states` among them."""
Value = Callable[[Scope], Any]

_known: dict[tuple[Any, ...], Any] = {}


def compiled(node: Any) -> Value:
    """What gives the node with every expression in it replaced by its value.

    The value raises QueryEvaluationError.
    """
    if isinstance(node, dict):
        parts = [(key, compiled(each)) for key, each in node.items()]
        return lambda scope: {key: value(scope) for key, value in parts}
    if isinstance(node, list):
        values = [compiled(each) for each in node]
        return lambda scope: [value(scope) for value in values]
    expression = expression_in(node) if isinstance(node, str) else None
    if expression is None:
        return lambda _: node
    path = _plain_path(expression)
    if path:
        return lambda scope: _present(expression, lookup(path, scope))
    return lambda scope: _remembered(expression, scope)


def _remembered(expression: str, scope: Scope) -> Any:
    """The same expression says the same of the same words."""
    key = (expression, *(repr(lookup(path, scope)) for path in _paths_in(expression)))
    if key not in _known:
        if len(_known) > _MOST_REMEMBERED:
            _known.clear()
        _known[key] = by_the_library(expression, scope)
    return _present(expression, _known[key])


def expression_in(text: str) -> str | None:
    found = _EXPRESSION.match(text)
    return found[1] if found else None


def by_the_library(expression: str, scope: Mapping[str, Any]) -> Any:
    parsed = _parsed(expression)
    frame = parsed.create_frame()
    for name, value in scope.items():
        frame.bind(name, value)
    try:
        return parsed.evaluate(None, frame)
    except Exception as error:  # the library raises its own and Python's errors alike
        raise QueryEvaluationError(f"{expression}: {error}") from error


@cache
def _parsed(expression: str) -> Jsonata:
    parsed = Jsonata(expression)
    parsed.register_lambda("parse", json.loads)  # Step Functions' own
    return parsed


@cache
def _plain_path(expression: str) -> tuple[str, ...] | None:
    found = _PLAIN.fullmatch(expression)
    return tuple(found[1].split(".")) if found else None


@cache
def _paths_in(expression: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in dict.fromkeys(_READ.findall(expression)))


def lookup(path: tuple[str, ...], scope: Mapping[str, Any]) -> Any:
    """What the path leads to; None where it leads nowhere, as JSONata has it."""
    value: Any = scope
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _present(expression: str, value: Any) -> Any:
    if value is None:
        raise QueryEvaluationError(f"{expression} gives nothing")
    return value
