"""IAM's policy language: what a set of policy documents says about one request. Pure; it knows no service.

Source: "Policy evaluation logic" and "IAM JSON policy elements reference" in the AWS IAM User Guide.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

Context = Mapping[str, str | Sequence[str]]
Statement = Mapping[str, Any]

_VARIABLE = re.compile(r"\$\{([^}]+)\}")


class Effect(StrEnum):
    ALLOW = "Allow"
    DENY = "Deny"
    NONE = "None"
    """No statement speaks of the request, which is a refusal too."""


class UnsupportedPolicyError(Exception):
    """A policy uses an element that is not evaluated here; it is refused by name rather than passed over."""


@dataclass(frozen=True)
class Request:
    action: str
    """`service:Operation`; compared without regard to case."""
    resource: str
    context: Context = field(default_factory=dict)
    """Condition keys and their values; keys are compared without regard to case."""


def decide(documents: Iterable[Mapping[str, Any]], request: Request, principals: Iterable[str] = ()) -> Effect:
    """What these documents say together: a Deny anywhere wins, else an Allow, else nothing.

    Args:
        principals: names of the caller, for resource policies: its ARNs, account or service. Identity policies name
            no principal.

    Raises:
        UnsupportedPolicyError: an operator or an element that is not evaluated here.
    """
    names = frozenset(principals)
    found = Effect.NONE
    for document in documents:
        for statement in as_list(document["Statement"]):
            if _speaks_of(statement, request, names):
                if statement["Effect"] == Effect.DENY:
                    return Effect.DENY
                found = Effect.ALLOW
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _speaks_of(statement: Statement, request: Request, principals: frozenset[str]) -> bool:
    return (
        _names_principal(statement, principals)
        and _listed(statement, "Action", lambda pattern: glob(pattern.lower(), request.action.lower()))
        and _listed(statement, "Resource", lambda pattern: _is_resource(pattern, request))
        and all(
            _holds(operator, key, as_list(values), request.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _names_principal(statement: Statement, principals: frozenset[str]) -> bool:
    if "NotPrincipal" in statement:
        raise UnsupportedPolicyError("NotPrincipal is not evaluated by the local AWS; use Principal with a condition")
    if "Principal" not in statement:
        return True
    principal = statement["Principal"]
    named = (
        as_list(principal) if not isinstance(principal, dict) else [n for v in principal.values() for n in as_list(v)]
    )
    return "*" in named or not principals.isdisjoint(named)


def _listed(statement: Statement, element: str, matches: Callable[[str], bool]) -> bool:
    negated = f"Not{element}"
    if negated in statement:
        return not any(matches(pattern) for pattern in as_list(statement[negated]))
    # A trust policy names no resource: it belongs to one.
    return element not in statement or any(matches(pattern) for pattern in as_list(statement[element]))


def _is_resource(pattern: str, request: Request) -> bool:
    filled = _filled(pattern, request.context)
    return filled is not None and glob(filled, request.resource)


def _filled(pattern: str, context: Context) -> str | None:
    """The pattern with its policy variables replaced; None if the request has no value for one."""
    if "${" not in pattern:
        return pattern
    known = {key.lower(): value for key, value in context.items()}
    wanted = [name.lower() for name in _VARIABLE.findall(pattern)]
    if any(not isinstance(known.get(name), str) for name in wanted):
        return None
    return _VARIABLE.sub(lambda match: str(known[match[1].lower()]), pattern)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def glob(pattern: str, value: str) -> bool:
    """IAM's wildcards: `*` is any text, `?` one character; nothing else is special."""
    return _compiled(pattern).fullmatch(value) is not None


def glob_arn(pattern: str, value: str) -> bool:
    """As `glob`, but a wildcard never crosses one of an ARN's first five colons."""
    left, right = pattern.split(":", 5), value.split(":", 5)
    return len(left) == len(right) and all(glob(one, other) for one, other in zip(left, right, strict=True))


# Conditions -----------------------------------------------------------------------------------------------------------


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text)


# operator → (does the value of the policy match the value of the request?, is it the negation of a match?)
_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (lambda want, have: want == have, False),
    "StringNotEquals": (lambda want, have: want == have, True),
    "StringEqualsIgnoreCase": (lambda want, have: want.lower() == have.lower(), False),
    "StringNotEqualsIgnoreCase": (lambda want, have: want.lower() == have.lower(), True),
    "StringLike": (glob, False),
    "StringNotLike": (glob, True),
    "ArnEquals": (glob_arn, False),
    "ArnLike": (glob_arn, False),
    "ArnNotEquals": (glob_arn, True),
    "ArnNotLike": (glob_arn, True),
    "Bool": (lambda want, have: want.lower() == have.lower(), False),
    "NumericEquals": (lambda want, have: float(have) == float(want), False),
    "NumericNotEquals": (lambda want, have: float(have) == float(want), True),
    "NumericLessThan": (lambda want, have: float(have) < float(want), False),
    "NumericLessThanEquals": (lambda want, have: float(have) <= float(want), False),
    "NumericGreaterThan": (lambda want, have: float(have) > float(want), False),
    "NumericGreaterThanEquals": (lambda want, have: float(have) >= float(want), False),
    "DateLessThan": (lambda want, have: _date(have) < _date(want), False),
    "DateGreaterThan": (lambda want, have: _date(have) > _date(want), False),
}

CONDITION_OPERATORS = (*sorted(_OPERATORS), "Null")


def _holds(operator: str, key: str, wanted: list[Any], context: Context) -> bool:
    values = next((as_list(value) for name, value in context.items() if name.lower() == key.lower()), None)
    wants = [_text(item) for item in wanted]
    if operator == "Null":
        return (values is None) == (wants[0] == "true")
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    if name not in _OPERATORS or quantifier not in {"", "ForAllValues", "ForAnyValue"}:
        raise UnsupportedPolicyError(
            f"condition operator {operator} is not evaluated by the local AWS; "
            f"it knows {', '.join(CONDITION_OPERATORS)}, with IfExists, ForAllValues: and ForAnyValue:"
        )
    matches, negated = _OPERATORS[name]
    if values is None:
        return rest.endswith("IfExists") or quantifier == "ForAllValues" or (negated and not quantifier)
    filled = [value for want in wants if (value := _filled(want, context)) is not None]
    judged = [any(matches(want, have) for want in filled) is not negated for have in values]
    return any(judged) if quantifier == "ForAnyValue" else all(judged)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
