"""JSONata as Step Functions takes it, by the library that the embedded AWS uses too.

Names and paths alone, which most expressions are, are read directly: a test holds both readings against each other.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonata import Jsonata

_EXPRESSION = re.compile(r"^\{%\s*(.*?)\s*%\}$", re.DOTALL)
_PLAIN = re.compile(r"\$(\w+(?:\.\w+)*)")
_READ = re.compile(r"\$(\w+(?:\.\w+)*)(?!\()\b")
_MOST_REMEMBERED = 20_000


class QueryEvaluationError(Exception):
    """`States.QueryEvaluationError`: the expression cannot be evaluated or gives nothing.

    Source: Step Functions developer guide, "Transforming data with JSONata in Step Functions".
    """


class Evaluator:
    """Evaluates, and remembers what the same expression gave for the same words."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Any] = {}

    def value(self, node: Any, scope: Mapping[str, Any]) -> Any:
        """The node with every expression in it replaced by its value.

        Args:
            scope: variables by name, `states` among them.

        Raises:
            QueryEvaluationError
        """
        if isinstance(node, Mapping):
            return {key: self.value(each, scope) for key, each in node.items()}
        if isinstance(node, list):
            return [self.value(each, scope) for each in node]
        if not isinstance(node, str):
            return node
        expression = expression_in(node)
        return node if expression is None else self._evaluated(expression, scope)

    def _evaluated(self, expression: str, scope: Mapping[str, Any]) -> Any:
        path = _plain_path(expression)
        if path:
            return _present(expression, lookup(path, scope))
        words = tuple(lookup(path, scope) for path in _paths_in(expression))
        key = (expression, *map(repr, words))
        if key not in self._known:
            if len(self._known) > _MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = by_the_library(expression, scope)
        return _present(expression, self._known[key])


def expression_in(text: str) -> str | None:
    found = _find(text)
    return found[1] if found else None


@cache
def _find(text: str) -> "re.Match[str] | None":
    return _EXPRESSION.match(text)


def by_the_library(expression: str, scope: Mapping[str, Any]) -> Any:
    compiled = _compiled(expression)
    frame = compiled.create_frame()
    for name, value in scope.items():
        frame.bind(name, value)
    try:
        return compiled.evaluate(None, frame)
    except Exception as error:  # the library raises its own and Python's errors alike
        raise QueryEvaluationError(f"{expression}: {error}") from error


@cache
def _compiled(expression: str) -> Jsonata:
    compiled = Jsonata(expression)
    compiled.register_lambda("parse", json.loads)
    return compiled


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
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _present(expression: str, value: Any) -> Any:
    if value is None:
        raise QueryEvaluationError(f"{expression} gives nothing")
    return value
