"""How a rule is written down."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.verify.subjects import Subjects

Properties = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """Where a rule is broken, and how."""

    place: str
    reason: str


@dataclass(frozen=True)
class Rule:
    """A rule of our own.

    Args:
        sentence: what must be true.
        source: who says so.
    """

    name: str
    sentence: str
    source: str
    check: Callable[[Subjects], Iterator[Fault]]


RULES: dict[str, Rule] = {}
_SubjectCheck = Callable[[Subjects], Iterator[Fault]]
_ResourceCheck = Callable[[Properties, Mapping[str, Any], str], Iterator[str]]


def rule(name: str, sentence: str, source: str) -> Callable[[_SubjectCheck], _SubjectCheck]:
    """Register a rule that looks at everything."""

    def register(check: _SubjectCheck) -> _SubjectCheck:
        RULES[name] = Rule(name, sentence, source, check)
        return check

    return register


def rule_of(resource_type: str, name: str, sentence: str, source: str) -> Callable[[_ResourceCheck], _ResourceCheck]:
    """Register a rule about each resource of a type; the check gets properties, template and logical id."""

    def register(check: _ResourceCheck) -> _ResourceCheck:
        def everywhere(subjects: Subjects) -> Iterator[Fault]:
            for template, document in subjects.templates.items():
                for logical_id, properties in of_type(document, resource_type).items():
                    for reason in check(properties, document, logical_id):
                        yield Fault(f"{template}/{logical_id}", reason)

        RULES[name] = Rule(name, sentence, source, everywhere)
        return check

    return register


def of_type(document: Mapping[str, Any], resource_type: str) -> dict[str, Properties]:
    """Logical id → properties."""
    resources = document["Resources"].items()
    return {name: each.get("Properties", {}) for name, each in resources if each["Type"] == resource_type}


def at(node: Any, path: str) -> Any:
    """What lies at a path of dots, or None."""
    for step in path.split("."):
        node = node.get(step) if isinstance(node, Mapping) else None
    return node


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def names(node: Any, logical_id: str) -> bool:
    """Whether a reference or a substitution in the node names the resource."""
    if isinstance(node, list):
        return any(names(each, logical_id) for each in node)
    if isinstance(node, Mapping):
        return any(_names_here(key, value, logical_id) or names(value, logical_id) for key, value in node.items())
    return False


def _names_here(key: str, value: Any, logical_id: str) -> bool:
    if key == "Ref":
        return bool(value == logical_id)
    if key == "Fn::GetAtt":
        return bool(as_list(value)[0].split(".")[0] == logical_id)
    if key == "Fn::Sub":
        text = str(as_list(value)[0])
        return f"${{{logical_id}}}" in text or f"${{{logical_id}." in text
    return False
