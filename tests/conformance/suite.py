"""What a check is, and how checks are told apart, chosen and run."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from tests.conformance.case import Case
from tests.conformance.targets import Need, Target

CheckBody = Callable[[Case], None]
THREADS = 4


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "n/a"


@dataclass(frozen=True)
class Check:
    """One expectation of AWS.

    Attributes:
        source: the document and section, the member of botocore's model or the public report that says so.
        generated: derived from botocore's model instead of written by hand.
        needs: what a target must have for the check to mean anything.
    """

    area: str
    name: str
    source: str
    body: CheckBody
    generated: bool = False
    needs: frozenset[Need] = frozenset()


@dataclass(frozen=True)
class Result:
    check: Check
    verdict: Verdict
    reason: str = ""
    """Why it failed or why it cannot be asked here; empty if it passed."""


@dataclass
class Area:
    """Checks of one subject, in the order in which they were written."""

    name: str
    checks: list[Check] = field(default_factory=list)

    def check(self, source: str, *needs: Need) -> Callable[[CheckBody], CheckBody]:
        """A function is a check whose name is the sentence that its own name spells."""

        def register(body: CheckBody) -> CheckBody:
            self.add(body.__name__.replace("_", " "), source, body, *needs)
            return body

        return register

    def add(self, name: str, source: str, body: CheckBody, *needs: Need, generated: bool = False) -> None:
        self.checks.append(Check(self.name, name, source, body, generated, frozenset(needs)))


def run(checks: Iterable[Check], target: Target) -> Iterator[Result]:
    """Every check's result, in the order of the checks; four run at a time."""
    with ThreadPoolExecutor(THREADS, "check") as pool:
        yield from pool.map(lambda check: _result(check, target), checks)


def _result(check: Check, target: Target) -> Result:
    for need in sorted(check.needs):
        if need in target.lacks:
            return Result(check, Verdict.NOT_APPLICABLE, target.lacks[need])
    case = Case(target)
    try:
        check.body(case)
    except (AssertionError, ClientError, BotoCoreError) as error:
        return Result(check, Verdict.FAILED, _said(error))
    except Exception as error:  # noqa: BLE001 - whatever a target answers, the other checks go on
        return Result(check, Verdict.FAILED, f"{type(error).__name__}: {_said(error)}")
    finally:
        case.clean_up()
    return Result(check, Verdict.PASSED)


def _said(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    at = next((frame for frame in reversed(frames) if "/checks/" in frame.filename), frames[-1])
    return f"{str(error) or f'not so: {at.line}'} ({Path(at.filename).name}, line {at.lineno})"
