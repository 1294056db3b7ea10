"""Aborts at random moments, and many artifacts at once; a few every day, a hundred in the long proof."""

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from release.domain.ledger import Happened
from release.domain.phases import Phase
from release.domain.plan_capacity import ALL_INSTANCES, quota_of_type
from tests.fault_matrix.invariants import violations
from tests.fault_matrix.paths import LONG_BAKE, PATHS_BY_NAME, Stage
from tests.fault_matrix.sight import Sight
from tests.fault_matrix.world import Slipway, running

LONG = os.environ.get("SLIPWAY_PROOF") == "prove"
ABORTS, ENDPOINTS, DROPS = (100, 100, 50) if LONG else (2, 3, 3)
AT_ONCE = 8
SERVES_AGAIN_AWS_S = 600.0
"""docs/architecture.md, "Ending a rollout that moves traffic": from the wish to the release before it serving alone."""
_SPREAD_AWS_S = 90.0  # what an update with no bake takes here; with the long one the wish may come at any phase


_CROWDED_TIME_SCALE = 5.0
"""A step has 60 AWS seconds, 12 real ones here: a hundred executions at once on two cores need some."""
if LONG:  # this module comes first of the folder, whose own world is made after it

    @pytest.fixture(scope="module")
    def slipway() -> Iterator[Slipway]:
        with running(_CROWDED_TIME_SCALE) as found:
            yield found


_INSTANCE_TYPE = "ml.g5.4xlarge"  # the template's default


@pytest.fixture(scope="module", autouse=True)
def _room(slipway: Slipway) -> None:
    """As an account asks for it: with the quotas of a new one, the twenty-first endpoint is refused."""
    quotas = slipway.client("service-quotas")
    wanted = {quota_of_type(_INSTANCE_TYPE), ALL_INSTANCES}
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    codes = [quota["QuotaCode"] for page in pages for quota in page["Quotas"] if quota["QuotaName"] in wanted]
    assert len(codes) == len(wanted)
    for code in codes:
        quotas.request_service_quota_increase(
            ServiceCode="sagemaker", QuotaCode=code, DesiredValue=float(100 + ENDPOINTS + 2 * AT_ONCE)
        )


def ended_well(seen: Sight) -> list[str]:
    return [rollout_id for rollout_id, rollout in seen.rollouts.items() if rollout["phase"] == Phase.LIVE]


def aborted(stage: Stage, wait_aws_s: float) -> tuple[float, list[str]]:
    """Abort a rollout so long after its drop; AWS seconds until blue serves alone, and what is wrong then."""
    path, clock = PATHS_BY_NAME["abort"], stage.slipway.world.clock
    path.prepare(stage)
    (blue,) = ended_well(stage.seen())
    stage.drop(LONG_BAKE)
    (unwanted,) = stage.registered(2).rollouts.keys() - {blue}
    clock.sleep(wait_aws_s)
    asked_s = clock.time()
    stage.start("OperateStateMachineArn", verb="abort", rollout=unwanted, actor="ana", reason="the test says so")
    seen = stage.rest(2)
    took_s = clock.time() - asked_s
    wrong = violations(stage.slipway, stage.endpoint, served_before=True)
    if ended_well(seen) != [blue]:
        wrong.append(f"{ended_well(seen)} serves, not {blue}")
    stage.remove()  # a hundred containers would slow the others down
    return took_s, wrong


@pytest.mark.timeout(3000)
def test_an_abort_at_any_moment_brings_blue_back_in_time(slipway: Slipway) -> None:
    chance = random.Random(4)  # noqa: S311 - moments, no secrets
    stages = [Stage(slipway, f"abort{number}") for number in range(ABORTS)]
    moments = [chance.uniform(0, _SPREAD_AWS_S) for _ in stages]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(aborted, stages, moments))

    assert [(stage.endpoint, *outcome) for stage, outcome in zip(stages, outcomes, strict=True) if outcome[1]] == []
    assert max(took_s for took_s, _ in outcomes) <= SERVES_AGAIN_AWS_S


@pytest.mark.timeout(3000)
def test_artifacts_for_many_endpoints_at_once_all_go_live(slipway: Slipway) -> None:
    stages = [Stage(slipway, f"many{number}") for number in range(ENDPOINTS)]
    for stage in stages:
        stage.drop()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = list(pool.map(lambda stage: stage.rest(1), stages))

    assert [len(ended_well(each)) for each in seen] == [1] * ENDPOINTS
    found = [violations(slipway, stage.endpoint, served_before=False) for stage in stages]
    assert found == [[]] * ENDPOINTS


@pytest.mark.timeout(3000)
def test_of_many_drops_for_one_endpoint_the_newest_is_live(slipway: Slipway) -> None:
    stage = Stage(slipway, "one")
    for wanted in range(1, DROPS + 1):
        stage.drop()
        stage.registered(wanted)

    seen = stage.rest(DROPS)

    rollouts = sorted(seen.rollouts.values(), key=lambda rollout: str(rollout["createdAt"]))
    phases = [rollout["phase"] for rollout in rollouts]
    assert phases[-1] == Phase.LIVE
    assert set(phases[:-1]) <= {Phase.SKIPPED, Phase.SUPERSEDED}
    assert violations(slipway, "one", served_before=False) == []
    assert writers_overlap(seen) == []


def writers_overlap(seen: Sight) -> list[str]:
    """Rollouts whose time with the endpoint overlaps another's: from creating green to the end, by the ledger."""
    writing, found = "", []
    for line in seen.ledger:
        rollout_id, phase = line.get("rolloutId", ""), line.get("phase")
        if line["event"] != Happened.PHASE_ENTERED:
            continue
        if phase == Phase.CREATING and writing != rollout_id:
            found += [f"{rollout_id} began while {writing} wrote"] if writing else []
            writing = rollout_id
        elif rollout_id == writing and phase in {Phase.LIVE, Phase.FAILED, Phase.ROLLED_BACK, Phase.ABORTED}:
            writing = ""
    return found
