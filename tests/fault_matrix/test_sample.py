"""A few cases of the fault matrix every day, all of them in the long proof; and the matrix sees what is broken."""

import os
import re
import subprocess
import sys
from unittest.mock import patch

import pytest

from release.flows.settling import Settling
from tests.contract.stack.documents import ROOT, template
from tests.fault_matrix.boundary import AnyCall, Site
from tests.fault_matrix.cases import BEFORE_THE_ENDPOINT, Case, cases_of, faults_of, standing_for_all
from tests.fault_matrix.faults import REFUSALS, CallFault, InvocationFault
from tests.fault_matrix.matrix import Matrix, Outcome
from tests.fault_matrix.paths import PATHS_BY_NAME
from tests.fault_matrix.world import Slipway

AT_ONCE = 2
# Every path and every fault once, where it hurts most: each was a violation, or would be one without a retry, a fence
# or a comparison.
SAMPLE = (
    Case("first", AnyCall("shift_traffic", ("sagemaker:CreateEndpoint",)), CallFault.LOST_AFTER),
    Case("update", AnyCall("publish_artifact", ("s3:CopyObject",)), CallFault.THROTTLED),
    Case("update", AnyCall("shift_traffic", ("sagemaker:UpdateEndpoint",)), CallFault.ANSWERED_TWICE),
    Case("update", AnyCall("verify_release", ("sagemaker:DescribeEndpoint",)), CallFault.CRASHED),
    Case("update", AnyCall("settle_rollout", ("dynamodb:TransactWriteItems",)), CallFault.DENIED),
    Case("update", Site("settle_rollout"), InvocationFault.TIMED_OUT_AT_THE_END),
    Case("rollback", AnyCall("start_rollout", ("states:StartExecution",)), CallFault.LOST_BEFORE),
    Case("abort", AnyCall("settle_rollout", ("dynamodb:TransactWriteItems",)), CallFault.INTERNAL_ERROR),
    Case("sweep", Site("sweep_endpoint"), InvocationFault.TIMED_OUT_AT_ONCE),
)


def test_a_case_is_every_fault_at_every_call_and_has_a_name_of_its_own() -> None:
    sites = {Site("f"), Site("f", ("s3:GetObject",)), Site("f", ("s3:GetObject", "sagemaker:UpdateEndpoint"))}

    cases = cases_of("update", sites)

    assert len(cases) == len(InvocationFault) + 5 + len(CallFault)
    assert len({case.case_id for case in cases}) == len(cases)
    assert {CallFault.THROTTLED, CallFault.DENIED, CallFault.INTERNAL_ERROR, CallFault.LOST_BEFORE}.issubset(
        faults_of(Site("f", ("sagemaker:UpdateEndpoint",)))
    )


def test_of_the_refusals_of_a_call_one_is_run_and_stands_for_the_others_where_the_function_says_so() -> None:
    call = Site("publish_artifact", ("s3:CopyObject",))

    chosen = [case for case in standing_for_all({"update": {call}}) if case.fault in REFUSALS]

    assert len(chosen) == 1
    assert chosen[0].others("ServiceUnavailableError") == []
    apart = chosen[0].others("RolloutFailedError")
    assert {case.fault for case in (*chosen, *apart)} == set(REFUSALS)
    assert [case.others("RolloutFailedError") for case in apart] == [[], []]


def test_what_a_first_release_does_before_the_endpoint_is_struck_in_an_update() -> None:
    sites = {Site("examine_artifact", ("dynamodb:GetItem",)), Site("shift_traffic", ("dynamodb:GetItem",))}

    cases = standing_for_all({"first": sites, "update": sites})

    assert {case.site.function for case in cases if case.path == "first"} == {"shift_traffic"}
    assert {case.site for case in cases if case.path == "update"} == sites
    assert standing_for_all({"first": sites, "update": set()})[0].site.function == "examine_artifact"


def test_functions_that_are_struck_in_an_update_alone_cannot_see_the_endpoint() -> None:
    for function in BEFORE_THE_ENDPOINT:
        name = "".join(word.title() for word in function.split("_"))
        assert "sagemaker:" not in str(template()["Resources"][f"{name}Function"]["Properties"]["Policies"]), name


def test_the_worst_places_of_each_path_leave_the_world_whole(slipway: Slipway) -> None:
    told: list[Outcome] = []
    matrix = Matrix(slipway, "s")

    matrix.run(SAMPLE, told.append, AT_ONCE)

    assert {case.fault for case in SAMPLE} == {*CallFault, *InvocationFault}
    assert {case.path for case in SAMPLE} == PATHS_BY_NAME.keys()
    assert len(told) == len(SAMPLE)
    assert [(outcome.case_id, outcome.found) for outcome in told if outcome.found] == []


def test_a_settlement_that_leaves_its_alarms_is_seen(slipway: Slipway) -> None:
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
    found = os.environ | {"PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}"}
    ran = subprocess.run(command, cwd=ROOT, env=found, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
    assert re.fullmatch(r"fault matrix: [1-9]\d{3,} cases, 0 violations", ran.stdout.splitlines()[-1])
