"""A few cases of the fault matrix every day, all of them in the long proof; and the matrix sees what is broken."""

import re
import subprocess
import sys
from unittest.mock import patch

import pytest

from release.flows.settling import Settling
from tests.contract.stack.documents import ROOT
from tests.fault_matrix.boundary import Site
from tests.fault_matrix.cases import Case, cases_of, faults_of
from tests.fault_matrix.faults import CallFault, InvocationFault
from tests.fault_matrix.matrix import Matrix, Outcome
from tests.fault_matrix.world import Slipway

# Each was a violation once, or would be one if a retry, a fence or a comparison were missing.
SAMPLE = (
    r"update/shift_traffic/\d+\w*-sagemaker\.UpdateEndpoint/answered-twice",
    r"update/settle_rollout/\d+\w*-dynamodb\.TransactWriteItems/denied",
    r"update/verify_release/\d+\w*-sagemaker\.DescribeEndpoint/crashed",
)


@pytest.fixture(scope="module")
def cases(slipway: Slipway) -> list[Case]:
    recorded = Matrix(slipway, "r").record({"update"})
    return [case for path, sites in recorded.items() for case in cases_of(path, sites)]


def test_a_case_is_every_fault_at_every_call_and_has_a_name_of_its_own() -> None:
    sites = {Site("f"), Site("f", ("s3:GetObject",)), Site("f", ("s3:GetObject", "sagemaker:UpdateEndpoint"))}

    cases = cases_of("update", sites)

    assert len(cases) == len(InvocationFault) + 5 + len(CallFault)
    assert len({case.case_id for case in cases}) == len(cases)
    assert {CallFault.THROTTLED, CallFault.DENIED, CallFault.INTERNAL_ERROR, CallFault.LOST_BEFORE}.issubset(
        faults_of(Site("f", ("sagemaker:UpdateEndpoint",)))
    )


def test_the_worst_places_of_an_update_leave_the_world_whole(slipway: Slipway, cases: list[Case]) -> None:
    sample = [next(case for case in cases if re.fullmatch(place, case.case_id)) for place in SAMPLE]
    told: list[Outcome] = []

    Matrix(slipway, "s").run(sample, told.append)

    assert len(told) == len(SAMPLE)
    assert [(outcome.case_id, outcome.found) for outcome in told if outcome.found] == []


def test_a_settlement_that_leaves_its_alarms_is_seen(slipway: Slipway, cases: list[Case]) -> None:
    """The matrix must be able to fail: here a handler forgets to clean up."""
    matrix = Matrix(slipway, "b")
    case = Case("update", Site("verify_release"), InvocationFault.TIMED_OUT_AT_ONCE)

    with patch.object(Settling, "_clean_up", lambda *_: None):
        outcome = matrix.tried(case)

    assert any(sentence.startswith("4: alarms are left") for sentence in outcome.found)


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_no_case_violates_an_invariant() -> None:
    command = [sys.executable, "-m", "tests.fault_matrix"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
    assert re.fullmatch(r"fault matrix: [1-9]\d{3,} cases, 0 violations", ran.stdout.splitlines()[-1])
