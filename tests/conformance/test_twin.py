"""The whole suite against the twin: one run, and one test for each check."""

from collections.abc import Iterator

import pytest

from tests.conformance.__main__ import furnished
from tests.conformance.checks import every_check
from tests.conformance.suite import Check, Result, Verdict, run
from tests.conformance.targets import twin

CHECKS = every_check()


@pytest.fixture(scope="module")
def results() -> Iterator[dict[Check, Result]]:
    # One run for all of them, since checks that run at the same time take a fourth of the time.
    with furnished(twin) as target:
        yield {result.check: result for result in run(CHECKS, target)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("check", [pytest.param(check, id=f"{check.area}: {check.name}") for check in CHECKS])
def test_the_twin_does_what_aws_documents(check: Check, results: dict[Check, Result]) -> None:
    result = results[check]

    assert result.verdict is Verdict.PASSED, f"{result.reason}; source: {check.source}"


def test_every_check_has_a_name_and_a_source_of_its_own() -> None:
    assert len({(check.area, check.name) for check in CHECKS}) == len(CHECKS)
    assert all(check.source for check in CHECKS)


def test_there_are_at_least_two_hundred_checks_of_which_half_are_written_by_hand() -> None:
    written = sum(not check.generated for check in CHECKS)

    assert written + min(written, len(CHECKS) - written) >= 200
