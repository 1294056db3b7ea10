"""The verdict on a bake: proof on both sides, silence in between."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from benchmarks.canary_verdicts import BAD, GOOD, Canary, run
from release.domain.evidence import Arm, Evidence, Point, Series
from release.domain.truth import Verdict
from release.domain.verdict import Rules, judge, passes, probes_missing
from release.domain.verdict_statistics import Look

RULES, DUE = Rules(), Look(1.0, 0.95)


def series(ms: float, points: int = 60, *, name: str = "ModelLatency p50", quantile: float = 0.5) -> Series:
    """Every 10 s one point, spread evenly over ± 10 %."""
    values = (ms * (0.9 + 0.2 * ((7 * number) % points) / points) for number in range(points))
    return Series(name, quantile, tuple(Point(10 * n, value, requests=8) for n, value in enumerate(values)))


def fleet(requests: int, errors: int = 0, ms: float = 800.0) -> Arm:
    return Arm(requests, errors, latency=(series(ms),))


GREEN, BLUE = fleet(400, 4), fleet(3_600, 36)


def verdict(evidence: Evidence, rules: Rules = RULES, look: Look = DUE) -> Verdict:
    return judge(evidence, rules, look).verdict


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        pytest.param(Evidence(Arm()), Verdict.INCONCLUSIVE, id="silence"),
        pytest.param(Evidence(Arm(), BLUE), Verdict.INCONCLUSIVE, id="green is silent"),
        pytest.param(Evidence(GREEN, BLUE), Verdict.PASSED, id="alike"),
        pytest.param(Evidence(fleet(249), BLUE), Verdict.INCONCLUSIVE, id="one request short"),
        pytest.param(Evidence(fleet(250), BLUE), Verdict.PASSED, id="enough requests"),
        pytest.param(Evidence(fleet(400, 40), BLUE), Verdict.FAILED, id="one in ten is an error"),
        pytest.param(Evidence(fleet(400, 14), BLUE), Verdict.INCONCLUSIVE, id="bad luck or a bad model"),
        pytest.param(Evidence(fleet(400, 4, ms=1_040), BLUE), Verdict.FAILED, id="30 % slower"),
        pytest.param(Evidence(fleet(400, 4, ms=840), BLUE), Verdict.PASSED, id="5 % slower harms nobody"),
        pytest.param(Evidence(fleet(400, 4, ms=400), BLUE), Verdict.PASSED, id="twice as quick"),
        pytest.param(Evidence(fleet(400, 4, ms=8), fleet(3_600, 36, ms=2)), Verdict.PASSED, id="6 ms are not felt"),
        pytest.param(Evidence(fleet(400, 4, ms=90), fleet(3_600, 36, ms=20)), Verdict.FAILED, id="70 ms that add up"),
        pytest.param(Evidence(GREEN, recorded=Arm(probes=20, probe_errors=20)), Verdict.PASSED, id="blue only fails"),
        pytest.param(Evidence(GREEN, recorded=Arm(probes=19, probe_errors=19)), Verdict.INCONCLUSIVE, id="by chance"),
        pytest.param(Evidence(GREEN, recorded=Arm(probes=20, probe_errors=19)), Verdict.INCONCLUSIVE, id="one answer"),
        pytest.param(Evidence(replace(GREEN, latency=()), BLUE), Verdict.INCONCLUSIVE, id="no latency was measured"),
        pytest.param(Evidence(fleet(4_000, 400), fleet(36_000, 3_600)), Verdict.PASSED, id="both are equally broken"),
        pytest.param(Evidence(GREEN, recorded=BLUE), Verdict.PASSED, id="like blue before the shift"),
        pytest.param(Evidence(fleet(400, 40), recorded=fleet(400, 40)), Verdict.FAILED, id="too many errors in all"),
        pytest.param(Evidence(GREEN, fleet(20), BLUE), Verdict.PASSED, id="blue is quiet, but was recorded"),
        pytest.param(Evidence(GREEN, fleet(20)), Verdict.INCONCLUSIVE, id="blue is quiet and slow or quick, who knows"),
        pytest.param(Evidence(GREEN, first_release=True), Verdict.PASSED, id="nothing served before"),
        pytest.param(Evidence(fleet(400, 60), first_release=True), Verdict.FAILED, id="a first release of errors"),
    ],
)  # fmt: skip
def test_a_bake_is_judged_on_proof(evidence: Evidence, expected: Verdict) -> None:
    judgement = judge(replace(evidence, blue=with_latency(evidence.blue)), RULES, DUE)

    assert judgement.verdict is expected, judgement.reason
    assert judgement.reason


def with_latency(blue: Arm | None) -> Arm | None:
    """A fleet of 20 requests has no sixty points."""
    return replace(blue, latency=()) if blue and blue.requests < 60 else blue


def test_the_reason_holds_the_numbers_and_the_limit() -> None:
    reason = judge(Evidence(fleet(400, 14), BLUE), RULES, DUE).reason

    assert "errors: green 14 of 400 (3.5 %), blue 36 of 3600 (1.0 %)" in reason
    assert reason.endswith("4.0 are allowed")


def test_a_failure_says_how_often_chance_does_this() -> None:
    judgement = judge(Evidence(fleet(400, 40), BLUE), RULES, DUE)

    expected = fisher_exact([[40, 360], [36, 3564]], "greater").pvalue
    (finding,) = [one for one in judgement.findings if one.verdict is Verdict.FAILED]
    assert finding.name == "errors"
    assert finding.harm_p == pytest.approx(expected)
    assert f"{expected:.1e} of good releases" in judgement.reason


def test_a_difference_that_only_millions_of_requests_can_show_is_no_failure() -> None:
    """1.1 % against 1.0 % is proved at this size, and harms one request in a thousand."""
    green, blue = fleet(400_000, 4_400), fleet(3_600_000, 36_000)
    assert fisher_exact([[4_400, 395_600], [36_000, 3_564_000]], "greater").pvalue < 1e-8

    assert verdict(Evidence(green, blue)) is Verdict.PASSED


def test_probes_count_where_nobody_asks() -> None:
    """A quiet endpoint: the judge's own requests are all the evidence, before their metrics arrive as after."""
    answers = tuple(Point(2 * n, 800 + n % 7) for n in range(300))
    arm = Arm(probes=300, latency=(Series("probe", None, answers),))

    assert verdict(Evidence(arm, recorded=arm)) is Verdict.PASSED
    assert verdict(Evidence(replace(arm, requests=300), recorded=arm)) is Verdict.PASSED
    assert verdict(Evidence(replace(arm, probe_errors=60), recorded=arm)) is Verdict.FAILED


def test_a_probe_is_not_counted_twice() -> None:
    assert Arm(requests=300, server_errors=5, probes=40, probe_errors=5).errors().trials == 300
    assert Arm(requests=300, server_errors=5, probes=40, probe_errors=5).errors().hits == 5
    assert Arm(requests=10, probes=40, probe_errors=3).errors().trials == 40


@pytest.mark.parametrize(("requests", "probes", "missing"), [(0, 0, 250), (100, 20, 150), (10, 240, 10), (300, 0, 0)])
def test_the_judge_learns_how_many_probes_are_missing(requests: int, probes: int, missing: int) -> None:
    assert probes_missing(Evidence(Arm(requests, probes=probes)), RULES) == missing


def test_a_green_that_misses_golden_prompts_fails_though_it_answers() -> None:
    green = replace(GREEN, probes=40, probes_unmet=20)

    assert verdict(Evidence(green, replace(BLUE, probes=360))) is Verdict.FAILED
    assert verdict(Evidence(replace(green, probes_unmet=0), replace(BLUE, probes=360))) is Verdict.PASSED


def test_a_green_that_refuses_what_blue_takes_fails() -> None:
    green, blue = replace(GREEN, client_errors=200), replace(BLUE, client_errors=40)

    judgement = judge(Evidence(green, blue), RULES, DUE)

    assert judgement.verdict is Verdict.FAILED
    assert "refused requests: green 200 of 400 (50.0 %)" in judgement.reason


def test_a_cold_start_is_not_held_against_green() -> None:
    hot, cold = series(800).points[6:], tuple(Point(10 * n, 9_000.0, 8) for n in range(6))
    green = replace(GREEN, latency=(Series("ModelLatency p50", 0.5, cold + hot),))

    assert verdict(Evidence(green, BLUE)) is Verdict.PASSED


def test_the_high_percentile_of_a_few_requests_says_nothing() -> None:
    """p90 needs ten requests to lie below the largest of them."""
    points = tuple(Point(60 + n, 1.0, requests=9 + n % 2) for n in range(40))

    assert len(Series("ModelLatency p90", 0.9, points).after(60)) == 20
    assert len(Series("ModelLatency p50", 0.5, points).after(60)) == 40
    assert len(Series("ModelLatency p50", 0.5, points).after(70)) == 30


def test_a_slow_tail_fails_though_the_median_is_good() -> None:
    green = replace(GREEN, latency=(series(800), tail(2_400)))
    blue = replace(BLUE, latency=(series(800), tail(1_200)))

    judgement = judge(Evidence(green, blue), RULES, DUE)

    assert judgement.verdict is Verdict.FAILED
    assert judgement.reason.startswith("ModelLatency p90: green's median 2412 ms")


def tail(ms: float) -> Series:
    points = series(ms, name="ModelLatency p90", quantile=0.9).points
    return Series("ModelLatency p90", 0.9, tuple(replace(point, requests=30) for point in points))


@pytest.mark.parametrize(
    ("limit_ms", "expected"), [(1_000, Verdict.PASSED), (600, Verdict.FAILED), (800, Verdict.INCONCLUSIVE)]
)
def test_a_limit_on_latency_holds_without_any_blue(limit_ms: float, expected: Verdict) -> None:
    assert verdict(Evidence(GREEN, first_release=True), replace(RULES, max_latency_ms=limit_ms)) is expected


def test_a_first_release_with_a_limit_must_be_measured() -> None:
    green = replace(GREEN, latency=())

    assert verdict(Evidence(green, first_release=True), replace(RULES, max_latency_ms=800)) is Verdict.INCONCLUSIVE


def test_early_looks_need_more_proof_than_late_ones() -> None:
    """17 of 400 is enough at the end, and too little in the first hundredth of a bake."""
    evidence = Evidence(fleet(400, 17), BLUE)
    p = fisher_exact([[17, 383], [36, 3564]], "greater").pvalue
    assert 0.005 * 0.01**2 < p < 0.005 * (1 - 0.9**2) / 5

    assert verdict(evidence, look=Look(1.0, 0.9)) is Verdict.FAILED
    assert verdict(evidence, look=Look(0.01)) is Verdict.INCONCLUSIVE


def test_a_broken_green_fails_within_a_few_requests() -> None:
    assert verdict(Evidence(Arm(10, 10), Arm(90, 1)), replace(RULES, min_requests=20), Look(0.05)) is Verdict.FAILED


@pytest.mark.parametrize("given_verdict", list(Verdict))
def test_only_a_config_that_says_so_lets_the_inconclusive_pass(given_verdict: Verdict) -> None:
    assert passes(given_verdict) == (given_verdict is Verdict.PASSED)
    assert passes(given_verdict, inconclusive_passes=True) == (given_verdict is not Verdict.FAILED)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 3_600))
def test_more_errors_never_help_green(one: int, other: int, of_blue: int) -> None:
    few, many = sorted((one, other))
    order = [Verdict.PASSED, Verdict.INCONCLUSIVE, Verdict.FAILED]

    better, worse = (verdict(Evidence(fleet(400, errors), fleet(3_600, of_blue))) for errors in (few, many))

    assert order.index(better) <= order.index(worse)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_requests", 0), ("min_points", 19), ("error_margin", 0), ("max_error_rate", 1), ("latency_margin", 0.1),
        ("unfelt_ms", -1), ("false_alarm", 0), ("miss", 1),
    ],
)  # fmt: skip
def test_rules_that_cannot_hold_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        Rules(**{field: value})


@pytest.mark.parametrize("canary", GOOD, ids=lambda canary: canary.name)
def test_good_canaries_stay(canary: Canary) -> None:
    """A sample of `make`'s thousand; the limit is 1 %, so that of 12 none fails but once in nine runs of this test."""
    outcomes = [run(canary, RULES, f"test/{number}").judgement for number in range(12)]

    assert [one.reason for one in outcomes if one.verdict is not Verdict.PASSED] == []


@pytest.mark.parametrize("canary", BAD, ids=lambda canary: canary.name)
def test_bad_canaries_go(canary: Canary) -> None:
    outcomes = [run(canary, RULES, f"test/{number}").judgement.verdict for number in range(12)]

    assert Verdict.PASSED not in outcomes


@pytest.mark.prove
@pytest.mark.parametrize("canary", [*GOOD, *BAD], ids=lambda canary: canary.name)
def test_of_a_thousand_canaries_few_are_judged_wrongly(canary: Canary) -> None:
    """Issue: at most 1 % false rollbacks of good ones, at most 5 % of the bad ones missed."""
    outcomes = [run(canary, RULES, f"prove/{number}").judgement.verdict for number in range(1_000)]

    passed = outcomes.count(Verdict.PASSED)
    assert passed >= 990 if canary in GOOD else passed <= 50
