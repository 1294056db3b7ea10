"""Conditions of policies: operators, wildcards, policy variables and the keys of a request. Pure.

Source: "IAM JSON policy elements: Condition operators", "Multivalued context keys" and "IAM policy elements: Variables
and tags" in the AWS IAM User Guide.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Value = str | Sequence[str]
Family = Callable[[], Mapping[str, Value]]

# `${key}`, `${key, 'what stands in if the request lacks it'}`, or a wildcard that shall be taken literally.
_VARIABLE = re.compile(r"\$\{\s*([^},]+?)\s*(?:,\s*'([^']*)'\s*)?\}")
# Characters for private use stand for a `*`, a `?` and a `$` that are no wildcard, until the comparison.
_LITERAL = {"*": "\ue000", "?": "\ue001", "$": "\ue002"}
_PLAIN = {ord(mark): char for char, mark in _LITERAL.items()}
_PROTECTED = {ord(char): mark for char, mark in _LITERAL.items()}


class UnsupportedPolicyError(Exception):
    """A policy uses an element that is not evaluated here; it is refused by name rather than passed over."""


class Context:
    """The condition keys of one request; their names have no case.

    Args:
        values: key → its value or values.
        families: the part of a key before its slash, as `aws:ResourceTag` → what reads the values of that family, by
            what follows the slash. It is asked when a policy first names such a key.
    """

    def __init__(self, values: Mapping[str, Value] | None = None, families: Mapping[str, Family] | None = None) -> None:
        self._values = {key.lower(): value for key, value in (values or {}).items()}
        self._families = {name.lower(): read for name, read in (families or {}).items()}

    def get(self, key: str) -> Value | None:
        """None if the request has no such key."""
        key = key.lower()
        if key not in self._values:
            family, _, _ = key.partition("/")
            if read := self._families.pop(family, None):
                self._values |= {f"{family}/{name.lower()}": value for name, value in read().items()}
        return self._values.get(key)


# Wildcards and variables ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(text.translate({mark: re.escape(char) for mark, char in _PLAIN.items()}), re.DOTALL)


def glob(pattern: str, value: str) -> bool:
    """IAM's wildcards: `*` is any text, `?` one character; nothing else is special."""
    return _compiled(pattern).fullmatch(value) is not None


def glob_arn(pattern: str, value: str) -> bool:
    """As `glob`, but a wildcard never crosses one of an ARN's first five colons."""
    left, right = pattern.split(":", 5), value.split(":", 5)
    return len(left) == len(right) and all(glob(one, other) for one, other in zip(left, right, strict=True))


def filled(pattern: str, context: Context) -> str | None:
    """The pattern with its policy variables replaced; None if the request lacks one that has no stand-in.

    What comes from the request is no pattern: its stars are stars.
    """
    missing = False

    def value_of(match: re.Match[str]) -> str:
        nonlocal missing
        if literal := _LITERAL.get(match[1]):
            return literal
        value = context.get(match[1])
        if not isinstance(value, str):
            missing = missing or match[2] is None
            value = match[2] or ""
        return value.translate(_PROTECTED)

    text = _VARIABLE.sub(value_of, pattern) if "${" in pattern else pattern
    return None if missing else text


def plain(text: str) -> str:
    """A filled pattern as the text that it is where wildcards have no meaning."""
    return text.translate(_PLAIN)


# Operators ------------------------------------------------------------------------------------------------------------


def _date(text: str) -> datetime:
    """ISO 8601, or seconds since the epoch."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text), UTC)
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _binary(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _in_network(want: str, have: str) -> bool:
    return ipaddress.ip_address(have) in ipaddress.ip_network(want, strict=False)


def _compared(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Callable[[str, str], bool]:
    """Args:
    compare: (of the request, of the policy).
    """
    return lambda want, have: compare(read(have), read(plain(want)))


def _text(fold: Callable[[str], str]) -> Callable[[str, str], bool]:
    return lambda want, have: fold(plain(want)) == fold(have)


def _orders(name: str, read: Callable[[str], Any]) -> dict[str, tuple[Callable[[str, str], bool], bool]]:
    return {
        f"{name}Equals": (_compared(read, lambda have, want: have == want), False),
        f"{name}NotEquals": (_compared(read, lambda have, want: have == want), True),
        f"{name}LessThan": (_compared(read, lambda have, want: have < want), False),
        f"{name}LessThanEquals": (_compared(read, lambda have, want: have <= want), False),
        f"{name}GreaterThan": (_compared(read, lambda have, want: have > want), False),
        f"{name}GreaterThanEquals": (_compared(read, lambda have, want: have >= want), False),
    }


# operator → (does the value of the policy match the value of the request?, is it the negation of a match?)
_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_text(str), False),
    "StringNotEquals": (_text(str), True),
    "StringEqualsIgnoreCase": (_text(str.lower), False),
    "StringNotEqualsIgnoreCase": (_text(str.lower), True),
    "StringLike": (glob, False),
    "StringNotLike": (glob, True),
    "ArnEquals": (glob_arn, False),
    "ArnLike": (glob_arn, False),
    "ArnNotEquals": (glob_arn, True),
    "ArnNotLike": (glob_arn, True),
    "Bool": (_text(str.lower), False),
    "BinaryEquals": (_compared(_binary, lambda have, want: have == want), False),
    "IpAddress": (lambda want, have: _in_network(plain(want), have), False),
    "NotIpAddress": (lambda want, have: _in_network(plain(want), have), True),
    **_orders("Numeric", float),
    **_orders("Date", _date),
}

CONDITION_OPERATORS = (*sorted(_OPERATORS), "Null")


def holds(operator: str, key: str, wanted: Sequence[Any], context: Context, *, variables: bool = True) -> bool:
    """Whether one line of a Condition element is met.

    Args:
        variables: whether `${…}` in a wanted value is a policy variable; in documents before 2012-10-17 it is text.

    Raises:
        UnsupportedPolicyError: no such operator, or a value that the operator cannot compare.
    """
    found = context.get(key)
    wants = [str(item).lower() if isinstance(item, bool) else str(item) for item in wanted]
    if operator == "Null":
        return any((found is None) == (want.lower() == "true") for want in wants)
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if name not in _OPERATORS or quantifier not in {"", "ForAllValues", "ForAnyValue"}:
        raise UnsupportedPolicyError(
            f"condition operator {operator} is not evaluated by the local AWS; "
            f"it knows {', '.join(CONDITION_OPERATORS)}, with IfExists, ForAllValues: and ForAnyValue:"
        )
    matches, negated = _OPERATORS[name]
    if found is None:
        return rest.endswith("IfExists") or quantifier == "ForAllValues" or (negated and not quantifier)
    known = [text for want in wants if (text := filled(want, context) if variables else want) is not None]
    try:
        judged = [any(matches(want, have) for want in known) is not negated for have in _listed(found)]
    except (ValueError, binascii.Error) as error:
        raise UnsupportedPolicyError(f"{operator} cannot compare {wants} with {found!r}: {error}") from error
    return any(judged) if quantifier == "ForAnyValue" else all(judged)


def _listed(found: Value) -> Sequence[str]:
    return [found] if isinstance(found, str) else found
