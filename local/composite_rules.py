"""The rule of a composite alarm: which states of which other alarms make it ALARM. Pure.

Source: `AlarmRule` of PutCompositeAlarm in the CloudWatch API Reference.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from local.alarm_rules import State

MAX_CHILDREN, MAX_ELEMENTS = 100, 500

_TOKEN = re.compile(
    r"\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?P<name>\"[^\"]+\"|'[^']+'|[^()\"']+?)\s*\)"
    r"|(?P<word>AND|OR|NOT|TRUE|FALSE)\b|(?P<bracket>[()]))",
    re.IGNORECASE,
)


class CompositeRuleError(ValueError):
    """A rule that cannot be read; the message names the place."""


@dataclass(frozen=True)
class Constant:
    value: bool


@dataclass(frozen=True)
class Child:
    name: str
    state: State


@dataclass(frozen=True)
class Not:
    part: "Rule"


@dataclass(frozen=True)
class Both:
    left: "Rule"
    right: "Rule"


@dataclass(frozen=True)
class Either:
    left: "Rule"
    right: "Rule"


Rule = Constant | Child | Not | Both | Either


def parse(text: str) -> Rule:
    """Read a rule.

    Raises:
        CompositeRuleError: it is none, it has more than 100 children or more than 500 elements.
    """
    reader = _Reader(text)
    if len(reader.tokens) > MAX_ELEMENTS:
        raise CompositeRuleError(f"the alarm rule has {len(reader.tokens)} elements; the limit is {MAX_ELEMENTS}")
    rule = reader.either()
    if reader.ahead is not None:
        raise CompositeRuleError(f"'{reader.ahead[0].strip()}' is not expected at the end of the alarm rule: {text}")
    if len(children(rule)) > MAX_CHILDREN:
        raise CompositeRuleError(f"the alarm rule has {len(children(rule))} alarms; the limit is {MAX_CHILDREN}")
    return rule


def children(rule: Rule) -> set[str]:
    """The names of all alarms that the rule asks."""
    if isinstance(rule, Child):
        return {rule.name}
    if isinstance(rule, Not):
        return children(rule.part)
    if isinstance(rule, Both | Either):
        return children(rule.left) | children(rule.right)
    return set()


def holds(rule: Rule, state_of: Callable[[str], State | None]) -> bool:
    """Whether the composite alarm is in ALARM.

    Args:
        state_of: the state of the alarm with this name; None if it is gone, and then nothing holds of it.
    """
    if isinstance(rule, Constant):
        return rule.value
    if isinstance(rule, Child):
        return state_of(rule.name) is rule.state
    if isinstance(rule, Not):
        return not holds(rule.part, state_of)
    if isinstance(rule, Both):
        return holds(rule.left, state_of) and holds(rule.right, state_of)
    return holds(rule.left, state_of) or holds(rule.right, state_of)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self.tokens: list[re.Match[str]] = []
        self._next = 0
        place = 0
        while place < len(text.rstrip()):
            found = _TOKEN.match(text, place)
            if found is None:
                raise CompositeRuleError(f"'{text[place:].strip()[:30]}' is not understood in the alarm rule: {text}")
            self.tokens.append(found)
            place = found.end()

    @property
    def ahead(self) -> re.Match[str] | None:
        return self.tokens[self._next] if self._next < len(self.tokens) else None

    def either(self) -> Rule:
        rule = self._both()
        while self._takes("OR"):
            rule = Either(rule, self._both())
        return rule

    def _both(self) -> Rule:
        rule = self._one()
        while self._takes("AND"):
            rule = Both(rule, self._one())
        return rule

    def _one(self) -> Rule:
        if self._takes("NOT"):
            return Not(self._one())
        if self._takes("("):
            rule = self.either()
            if not self._takes(")"):
                raise CompositeRuleError(f"a closing bracket is missing in the alarm rule: {self._text}")
            return rule
        token = self.ahead
        self._next += 1
        if token is not None and token["state"]:
            return Child(_alarm_name(token["name"]), State(token["state"].upper()))
        if token is not None and (token["word"] or "").upper() in {"TRUE", "FALSE"}:
            return Constant(token["word"].upper() == "TRUE")
        raise CompositeRuleError(f"an alarm, TRUE or FALSE is missing in the alarm rule: {self._text}")

    def _takes(self, word: str) -> bool:
        found = self.ahead is not None and (self.ahead["word"] or self.ahead["bracket"] or "").upper() == word
        self._next += found
        return found


def _alarm_name(name_or_arn: str) -> str:
    name = name_or_arn.strip("\"'")
    return name.split(":alarm:", 1)[1] if name.startswith("arn:") else name
