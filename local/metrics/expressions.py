"""Metric math: reading an expression into its parts.

Source: "Metric math syntax and functions" in the CloudWatch User Guide. What is read and not computed is refused by
name in `local.metrics.math_functions`.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<sign>&&|\|\||[<>=!]=|[-+*/^<>(),\[\]]))"
)
# From the loosest to the tightest; each level's operators bind from the left.
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("OR", "||"),
    ("AND", "&&"),
    ("==", "!=", "<=", ">=", "<", ">"),
    ("+", "-"),
    ("*", "/"),
)
_SAME = {"OR": "||", "AND": "&&"}


class ExpressionError(ValueError):
    """An expression that cannot be read or is not computed here; the message names the part."""


@dataclass(frozen=True)
class Number:
    value: float


@dataclass(frozen=True)
class Text:
    value: str


@dataclass(frozen=True)
class Name:
    """The Id of a metric or of another expression, or a word such as REPEAT."""

    value: str


@dataclass(frozen=True)
class Operation:
    """An operator of two parts; `-` with one part is the negative."""

    operator: str
    parts: "tuple[Node, ...]"


@dataclass(frozen=True)
class Call:
    function: str
    arguments: "tuple[Node, ...]"


@dataclass(frozen=True)
class Array:
    items: "tuple[Node, ...]"


Node = Number | Text | Name | Operation | Call | Array


def parse(expression: str) -> Node:
    """Read an expression.

    Raises:
        ExpressionError: it is not metric math.
    """
    if re.match(r"\s*(SELECT|SEARCH)\b", expression):
        kind = "Metrics Insights queries" if "SELECT" in expression else "SEARCH expressions"
        raise ExpressionError(f"{kind} are not computed here: {expression}")
    reader = _Reader(expression)
    node = reader.level(0)
    if reader.ahead:
        raise ExpressionError(f"'{reader.ahead}' is not expected at the end of: {expression}")
    return node


def names_in(node: Node) -> set[str]:
    """Every name that the expression uses outside of quotation marks."""
    if isinstance(node, Name):
        return {node.value}
    parts: tuple[Node, ...] = ()
    if isinstance(node, Operation):
        parts = node.parts
    elif isinstance(node, Call):
        parts = node.arguments
    elif isinstance(node, Array):
        parts = node.items
    return set().union(*(names_in(part) for part in parts))


class _Reader:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = self._split(expression)
        self._next = 0

    @staticmethod
    def _split(expression: str) -> list[str]:
        tokens, place = [], 0
        while place < len(expression.rstrip()):
            found = _TOKEN.match(expression, place)
            if found is None:
                raise ExpressionError(f"'{expression[place:].strip()[:10]}' is not metric math in: {expression}")
            tokens.append(found[0].strip())
            place = found.end()
        return tokens

    @property
    def ahead(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def take(self, expected: str | None = None) -> str:
        word = self.ahead
        if not word or expected not in {None, word}:
            raise ExpressionError(f"'{expected or 'a value'}' is expected instead of '{word}' in: {self._expression}")
        self._next += 1
        return word

    def level(self, depth: int) -> Node:
        if depth == len(_LEVELS):
            return self._power()
        node = self.level(depth + 1)
        while self.ahead in _LEVELS[depth]:
            operator = self.take()
            node = Operation(_SAME.get(operator, operator), (node, self.level(depth + 1)))
        return node

    def _power(self) -> Node:
        if self.ahead == "-":
            self.take()
            return Operation("-", (self._power(),))
        node = self._value()
        if self.ahead == "^":
            self.take()
            return Operation("^", (node, self._power()))
        return node

    def _value(self) -> Node:
        word = self.take()
        if word == "(":
            node = self.level(0)
            self.take(")")
            return node
        if word == "[":
            return Array(self._list("]"))
        if word[0] in "\"'":
            return Text(word[1:-1])
        if word[0].isdigit() or word[0] == ".":
            return Number(float(word))
        if not word[0].isalpha():
            raise ExpressionError(f"a value is expected instead of '{word}' in: {self._expression}")
        if self.ahead == "(":
            self.take()
            return Call(word, self._list(")"))
        return Name(word)

    def _list(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while self.ahead != end:
            if items:
                self.take(",")
            items.append(self.level(0))
        self.take(end)
        return tuple(items)
