"""What an examination found: one line for each check, and every problem."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_SENTENCES = 5
"""Of a refusal; the report has the others."""
MAX_PROBLEMS = 200
"""Of a report, so that an artifact of many bad files does not make an endless one."""


class Check(StrEnum):
    """In the order in which an examination tells of them."""

    DROP = "drop"
    FILES = "files"
    INTEGRITY = "integrity"
    CONFIG = "config"
    TOKENIZER = "tokenizer"
    CHAT_TEMPLATE = "chatTemplate"
    WEIGHTS = "weights"
    GOLDEN = "golden"
    MEMORY = "memory"
    IMAGE = "image"
    SIGNATURE = "signature"


class Outcome(StrEnum):
    """`skipped`: it could not be looked at, because of what another check found or because no policy asks for it."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """Of one check. `note` says what was seen, or why nothing was looked at."""

    check: Check
    problems: tuple[str, ...] = ()
    note: str = ""
    skipped: bool = False

    @property
    def outcome(self) -> Outcome:
        if self.problems:
            return Outcome.FAILED
        return Outcome.SKIPPED if self.skipped else Outcome.PASSED


def finding(check: Check, problems: Iterable[str] = (), note: str = "") -> Finding:
    return Finding(check, tuple(problems), note)


def skipped(check: Check, why: str) -> Finding:
    return Finding(check, note=why, skipped=True)


def refusal(problems: list[str], report: str) -> str:
    """One readable line of the first problems.

    Args:
        report: where all of them stand.
    """
    more = len(problems) - MAX_SENTENCES
    tail = f"; and {more} more in {report}" if more > 0 else ""
    return "; ".join(problems[:MAX_SENTENCES]) + tail
