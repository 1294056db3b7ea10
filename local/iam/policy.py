"""IAM's policy language: what policy documents say about one request, and who wins if they differ. Pure.

Source: "Policy evaluation logic" and "IAM JSON policy elements reference" in the AWS IAM User Guide.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from local.iam.conditions import Context, UnsupportedPolicyError, filled, glob, holds

Document = Mapping[str, Any]
Statement = Mapping[str, Any]

_WITH_VARIABLES = "2012-10-17"
_EVERYBODY = "*"


class Effect(StrEnum):
    ALLOW = "Allow"
    DENY = "Deny"
    NONE = "None"
    """No statement speaks of the request, which is a refusal too."""


@dataclass(frozen=True)
class Request:
    action: str
    """`service:Operation`; compared without regard to case."""
    resource: str
    context: Context = field(default_factory=Context)


@dataclass(frozen=True)
class Names:
    """Under which names a resource's policy may know a caller, by what a permission in that name is worth."""

    own: frozenset[str] = frozenset()
    """Its session, its user or the service itself: allowed whatever its own policies leave out."""
    role: frozenset[str] = frozenset()
    """The role behind the session: allowed within its permissions boundary and its session policy."""
    account: frozenset[str] = frozenset()
    """Its account, which leaves the decision to the caller's own policies."""

    @property
    def all(self) -> frozenset[str]:
        return self.own | self.role | self.account


@dataclass(frozen=True)
class Policies:
    """Everything that has a say about one request."""

    identity: Iterable[Document] = ()
    resource: Iterable[Document] = ()
    boundary: Iterable[Document] | None = None
    """None where the caller has none."""
    session: Iterable[Document] | None = None
    """None where the session has none."""
    resource_must_allow: bool = False
    """Whether the resource's own policy has to allow the caller or its account: keys and roles are like that."""


def decide(documents: Iterable[Document], request: Request, principals: Iterable[str] = ()) -> Effect:
    """What these documents say together: a Deny anywhere wins, else an Allow, else nothing.

    Args:
        principals: names of the caller, for resource policies: its ARNs, account or service; "*" for "whoever a
            statement for everybody means". Identity policies name no principal.

    Raises:
        UnsupportedPolicyError: an operator or an element that is not evaluated here.
    """
    names = frozenset(principals)
    found = Effect.NONE
    for document in documents:
        variables = document.get("Version") == _WITH_VARIABLES
        for statement in as_list(document["Statement"]):
            if _speaks_of(statement, request, names, variables=variables):
                if statement["Effect"] == Effect.DENY:
                    return Effect.DENY
                found = Effect.ALLOW
    return found


def why_denied(request: Request, names: Names, policies: Policies) -> str | None:
    """None if the request is allowed; else the end of AWS's sentence that says which policy stands in the way.

    Source: the evaluation within one account, and "Access denied error message examples" in the User Guide.

    Raises:
        UnsupportedPolicyError: as `decide`.
    """
    limits = [("permissions boundary", policies.boundary), ("session policy", policies.session)]
    by_limit = {kind: decide(documents, request) for kind, documents in limits if documents is not None}
    by_identity = decide(policies.identity, request)
    said = {
        "a resource-based policy": decide(policies.resource, request, names.all | {_EVERYBODY}),
        "an identity-based policy": by_identity,
        **{f"a {kind}": effect for kind, effect in by_limit.items()},
    }
    for kind, effect in said.items():
        if effect is Effect.DENY:
            return f"with an explicit deny in {kind}"
    if decide(policies.resource, request, names.own) is Effect.ALLOW:
        return None
    granted = decide(policies.resource, request, names.role | {_EVERYBODY}) is Effect.ALLOW
    delegated = granted or decide(policies.resource, request, names.account) is Effect.ALLOW
    refusing = [kind for kind, effect in by_limit.items() if effect is not Effect.ALLOW]
    if policies.resource_must_allow and not delegated:
        refusing = ["resource-based policy"]
    elif not granted and by_identity is not Effect.ALLOW:
        refusing = ["identity-based policy"]
    return f"because no {refusing[0]} allows the {request.action} action" if refusing else None


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _speaks_of(statement: Statement, request: Request, principals: frozenset[str], *, variables: bool) -> bool:
    def is_resource(pattern: str) -> bool:
        text = filled(pattern, request.context) if variables else pattern
        return text is not None and glob(text, request.resource)

    return (
        _names_principal(statement, principals)
        and _listed(statement, "Action", lambda pattern: glob(pattern.lower(), request.action.lower()))
        and _listed(statement, "Resource", is_resource)
        and all(
            holds(operator, key, as_list(values), request.context, variables=variables)
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
    return not principals.isdisjoint(named)


def _listed(statement: Statement, element: str, matches: Callable[[str], bool]) -> bool:
    negated = f"Not{element}"
    if negated in statement:
        return not any(matches(pattern) for pattern in as_list(statement[negated]))
    # A trust policy names no resource: it belongs to one.
    return element not in statement or any(matches(pattern) for pattern in as_list(statement[element]))
