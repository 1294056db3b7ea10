"""The bake gate over fakes: what is recorded of blue, when the verdict falls, and what follows from it."""

import pytest

from release.contracts.config import PartialConfig
from release.contracts.settings import PolicySettings
from release.contracts.steps import LeasedStep
from release.contracts.table import GateItem
from release.domain.evidence import Arm, Share
from release.domain.gates import may_ask, rules_for, why_unjudged
from release.domain.plan import Plan, Strategy
from release.domain.probes import ChatAnswer, Prompt
from release.domain.truth import ProbeAnswer, Progress
from release.domain.verdict_statistics import difference_at_most, wilson_bounds
from release.errors import RolloutFailedError
from release.flows.gate_records import gate_of
from tests.builders.house import ENDPOINT, House


@pytest.fixture
def house() -> House:
    return House()


def baking(house: House) -> LeasedStep:
    """Green serves beside blue, which has been recorded."""
    house.live()
    step = house.shifted("v2")
    house.watching.watch(step)
    house.serving.bake(ENDPOINT)
    house.probes.answers[ENDPOINT] = ProbeAnswer(step.rollout_id.partition("-")[0], step.rollout_id, "")
    house.watching.watch(step)
    return step


def judged(house: House, step: LeasedStep) -> GateItem:
    """Looks every fifteen seconds until the gate is decided."""
    for _ in range(40):
        if gate := gate_of(house.rollout(step), "bake"):
            return gate
        house.now.forward(15)
        house.watching.watch(step)
    raise AssertionError("no verdict in ten minutes")


def answering(house: House, step: LeasedStep, latency_s: float = 0.1, error: str = "") -> None:
    release_id = step.rollout_id.partition("-")[0]

    def chat(prompt: Prompt) -> ChatAnswer:
        assert prompt.max_tokens == 8
        return ChatAnswer(release_id, step.rollout_id, error, "Good day.", "length", latency_s)

    house.probes.chats[ENDPOINT] = chat


def test_green_like_blue_passes_when_the_verdict_is_due_and_not_before(house: House) -> None:
    step = baking(house)
    house.now.forward(100)
    assert "the verdict is due after 225 s" in house.watching.watch(step).reason
    assert gate_of(house.rollout(step), "bake") is None

    gate = judged(house, step)

    assert gate.verdict == "passed"
    assert house.metrics.aborts == []
    # 150 of the bake's 300 s: one question in two seconds.
    assert gate.evidence["volume"].endswith("150 are needed")
    house.serving.arrive(ENDPOINT)
    assert house.watching.watch(step).progress is Progress.ARRIVED


@pytest.mark.parametrize(
    ("latency_s", "error", "because"),
    [
        pytest.param(0.2, "", "probe latency: green's median 200 ms, blue's 100 ms", id="twice as slow"),
        pytest.param(0.1, "ModelError (status 500)", "errors in all", id="errors only"),
    ],
)
def test_a_green_that_is_proved_worse_asks_for_the_end_at_every_look(
    house: House, latency_s: float, error: str, because: str
) -> None:
    step = baking(house)
    answering(house, step, latency_s, error)

    gate = judged(house, step)

    assert (gate.verdict, because in gate.reason) == ("failed", True), gate.reason
    asked = len(house.metrics.aborts)
    assert asked >= 1
    house.watching.watch(step)
    assert len(house.metrics.aborts) == asked + 1
    house.serving.roll_back(ENDPOINT)
    with pytest.raises(RolloutFailedError, match=r"bake failed: .*; SageMaker rolled back"):
        house.watching.watch(step)
    assert house.settle(step, "failed", "RolloutFailedError", "bake failed").phase == "rolled_back"


@pytest.mark.parametrize("latency_s", [pytest.param(0.2, id="twice as slow"), pytest.param(0.1, id="as fast")])
def test_a_green_that_comes_up_at_once_is_compared_with_the_blue_of_before(house: House, latency_s: float) -> None:
    house.live()
    step = house.created("v2")
    assert house.preflighting.start(step).progress is Progress.PREFLIGHT_PASSED
    house.shifting.shift(step)
    house.serving.bake(ENDPOINT)
    answering(house, step, latency_s)

    gate = judged(house, step)

    assert gate.verdict == ("failed" if latency_s > 0.1 else "passed"), gate.reason
    # A point of latency for ten of the bake's 300 s; errors need no blue, because green's have a limit of their own.
    assert f"green's median {1000 * latency_s:.0f} ms, blue's 100 ms" in gate.evidence["probe latency"]
    assert "x 30 pairs" in gate.evidence["probe latency"]
    assert "errors" not in gate.evidence


def test_blue_is_asked_while_the_preflight_s_endpoint_comes_up(house: House) -> None:
    house.settings.settings["chat"] = PartialConfig.parse({"preflight": True})
    house.live()
    step = house.created("v2")

    house.preflighting.start(step)
    house.watching.watch(step)

    probes = house.rollout(step).probes
    assert probes is not None
    assert probes.bake is not None
    assert (probes.bake.recorded.asked, probes.bake.recorded.errors) == (30, 0)


def test_a_blue_that_answers_nobody_does_not_hold_up_what_shall_mend_it(house: House) -> None:
    house.live()
    step = house.created("v2")

    def late(_prompt: Prompt) -> ChatAnswer:
        house.now.forward(60)
        return ChatAnswer("", "", "ModelError (status 504)")

    house.probes.chats[ENDPOINT] = late
    before = house.now()

    assert house.preflighting.start(step).progress is Progress.PREFLIGHT_PASSED

    # SageMaker ends an answer after 60 s (InvokeEndpoint, "A customer's model containers must respond to requests
    # within 60 seconds"); the function has 120.
    assert 60 <= (house.now() - before).total_seconds() < 61


def test_errors_that_only_cloudwatch_saw_fail_green_too(house: House) -> None:
    step = baking(house)
    house.metrics.fleets[house.config_name(step)] = Arm(requests=400, server_errors=80)

    assert judged(house, step).verdict == "failed"


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        pytest.param(PolicySettings(), "inconclusive", id="silence never passes by default"),
        pytest.param(PolicySettings(inconclusive_passes=False), "inconclusive", id="nor where the owner says so"),
        pytest.param(PolicySettings(inconclusive_passes=True), "passed", id="unless the owner lets it"),
    ],
)
def test_a_bake_that_nobody_answered_proves_nothing(house: House, policy: PolicySettings, verdict: str) -> None:
    house.policies.policies["chat"] = policy
    step = baking(house)
    house.table._change(house.rollout(step), probes=None)
    house.now.forward(300)

    house.watching.watch(step)

    gate = gate_of(house.rollout(step), "bake")
    assert gate is not None
    assert gate.verdict == verdict
    assert "green answered 0 requests" in gate.reason


def test_a_bake_that_ended_before_its_verdict_is_told_to_a_person(house: House) -> None:
    step = baking(house)
    house.serving.arrive(ENDPOINT)

    with pytest.raises(RolloutFailedError, match="over before its verdict was due"):
        house.watching.watch(step)

    assert house.settle(step, "failed", "RolloutFailedError", "unproved").phase == "stuck"


def test_a_skipped_bake_says_who_skipped_it(house: House) -> None:
    step = baking(house)
    house.operate("skip-gate", gate="bake")

    assert "bake skipped: ana skipped it: because" in house.watching.watch(step).reason


def test_a_first_release_has_no_bake_and_says_why(house: House) -> None:
    step = house.live()

    gate = gate_of(house.rollout(step), "bake")
    assert gate is not None
    assert (gate.verdict, "nothing serves beside a first release" in gate.reason) == ("skipped", True)


def plan(bake_s: int, strategy: Strategy = Strategy.ALL_AT_ONCE) -> Plan:
    return Plan(strategy, 1, 10, 0, bake_s, "")


@pytest.mark.parametrize(("bake_s", "judged"), [(0, False), (119, False), (120, True), (3600, True)], ids=str)
def test_only_a_bake_that_can_hold_proof_is_judged(bake_s: int, *, judged: bool) -> None:
    assert (why_unjudged(plan(bake_s)) == "") is judged


@pytest.mark.parametrize("bake_s", [120, 300, 600, 3600])
def test_the_least_evidence_can_prove_a_faultless_green(bake_s: int) -> None:
    """By the bounds themselves, which tests of their own hold against scipy."""
    rules = rules_for(plan(bake_s))
    clean = Share(0, rules.min_requests)

    assert difference_at_most(clean, clean, rules.miss) <= rules.error_margin
    assert wilson_bounds(clean, rules.miss)[1] <= rules.max_error_rate
    assert rules.warm_up_s < 0.75 * bake_s


def test_no_question_is_asked_whose_answer_may_come_after_the_bake() -> None:
    assert may_ask(plan(300), 225)
    assert not may_ask(plan(300), 226)
