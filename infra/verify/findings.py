"""What a checker found, and the list of what is accepted with its reason."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

OWN = "slipway"  # tool name of the rules in infra/verify/rules
FIELDS = "tool | rule | resource | reason"
NOT_BUILT = "not built yet"
_MIN_REASON_WORDS = 4
_QUOTED = re.compile(r'limits: "([^"]+)"')


@dataclass(frozen=True, order=True)
class Finding:
    """One fault.

    Args:
        resource: `<template>/<logical id>`, `<machine>.asl/<state>` or the path of a Dockerfile.
    """

    tool: str
    rule: str
    resource: str
    message: str

    def __str__(self) -> str:
        return f"{self.tool} | {self.rule} | {self.resource} | {self.message}"


@dataclass(frozen=True)
class Suppression:
    """A finding that is accepted; `*` in rule and resource stands for any text."""

    tool: str
    rule: str
    resource: str
    reason: str
    line: int

    def covers(self, finding: Finding) -> bool:
        return finding.tool == self.tool and _like(self.rule, finding.rule) and _like(self.resource, finding.resource)


class SuppressionError(Exception):
    """A line of the list cannot be used; the message names the line and what is wrong."""


def read_suppressions(path: Path, limits: str) -> list[Suppression]:
    """The list, one suppression a line; empty lines and lines that begin with `#` do not count.

    Args:
        limits: text of docs/limits.md, which must hold what a reason quotes from it.

    Raises:
        SuppressionError: a line lacks a field or a reason, or quotes what docs/limits.md does not say.
    """
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            found.append(_suppression(line, f"{path.name}:{number}", limits, number))
    return found


def _suppression(line: str, place: str, limits: str, number: int) -> Suppression:
    fields = [field.strip() for field in line.split(" | ")]
    if len(fields) != len(FIELDS.split(" | ")) or not all(fields):
        raise SuppressionError(f"{place} has {len(fields)} fields; write {FIELDS}")
    tool, rule, resource, reason = fields
    if len(reason.split()) < _MIN_REASON_WORDS:
        raise SuppressionError(f"{place} gives a reason of fewer than {_MIN_REASON_WORDS} words: {reason}")
    quoted = _QUOTED.findall(reason)
    if NOT_BUILT in reason and not quoted:
        raise SuppressionError(f'{place} says "{NOT_BUILT}"; quote the line that admits it: limits: "…"')
    for words in quoted:
        if words not in limits:
            raise SuppressionError(f'{place} quotes "{words}", which docs/limits.md does not say')
    return Suppression(tool, rule, resource, reason, number)


def unsuppressed(findings: Iterable[Finding], suppressions: Iterable[Suppression]) -> list[Finding]:
    """Findings that nothing covers, and a finding for each suppression that covers nothing."""
    found = list(findings)
    accepted = list(suppressions)
    left = [each for each in found if not any(one.covers(each) for one in accepted)]
    idle = [
        Finding(
            "suppressions", "matches-nothing", f"line {one.line}", f"remove it: {one.tool} {one.rule} {one.resource}"
        )
        for one in accepted
        if not any(one.covers(each) for each in found)
    ]
    return sorted(left) + idle


def _like(pattern: str, text: str) -> bool:
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), text) is not None
