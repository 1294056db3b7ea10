"""The verdict on a bake: has green earned to stay?

Three answers. `failed` needs proof that green is worse; `passed` needs proof that it is not worse by more than a
margin; whatever lies between, silence first of all, is `inconclusive`, and passes only where a config says so.

What CloudWatch gives is what is judged: GetMetricData of `Invocations`, `Invocation5XXErrors`, `Invocation4XXErrors`
(Sum) and `ModelLatency` (p50, p90, with the period's SampleCount), of `AWS/SageMaker`, by `EndpointName`,
`VariantName` and `EndpointConfigName`; periods of 10 s with enhanced metrics, else of 60 s. Single samples do not come
from there; those of the judge's own probes come from the judge.

Sources: the method is that of canary analysis in Kayenta (rank sums per metric, points by period, a warm-up left out)
and of Google's SRE workbook, chapter "Canarying Releases" (a concurrent control, few metrics).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import median

from release.domain.evidence import Arm, Evidence, Series, Share
from release.domain.truth import Verdict
from release.domain.verdict_statistics import (
    LEAST_FOR_RANKS,
    Look,
    binomial_at_least,
    difference_at_most,
    fisher_greater,
    rank_sum_greater,
    wilson_bounds,
)

_MEDIAN = 0.5
# What is proved beyond doubt by much traffic may still be too little to harm anybody.
_SLOWER = 0.1  # as a part of blue's latency
_MORE_OFTEN = 0.002  # as a difference of rates


@dataclass(frozen=True, slots=True)
class Rules:
    """How much evidence a verdict needs and what it allows. The defaults are held by `benchmarks/canary_verdicts.py`.

    Args:
        min_requests: answered by green, probes included.
        min_points: of each latency series that counts, in each arm, at least LEAST_FOR_RANKS.
        error_margin: by how much green's error rate may exceed blue's, 0 < margin < 1.
        max_error_rate: green's, where blue has no traffic beside it.
        latency_margin: by which part green may be slower than blue.
        unfelt_ms: what nobody feels is no harm, whatever part of blue's latency it is. Half of the 100 ms up to which
            an answer feels instantaneous (R. B. Miller, AFIPS Fall Joint Computer Conference 33 (1968), 267-277).
        max_latency_ms: of the median; None sets no limit.
        warm_up_s: seconds that count for errors and not for latency.
        false_alarm: chance that a green like blue is called failed at any look.
        miss: chance that a green at a margin is not recognised as such.

    Raises:
        ValueError: a number outside its range; the sentence names it.
    """

    min_requests: int = 250
    min_points: int = 50
    error_margin: float = 0.04
    max_error_rate: float = 0.05
    latency_margin: float = 0.25
    unfelt_ms: float = 50.0
    max_latency_ms: float | None = None
    warm_up_s: float = 60.0
    false_alarm: float = 0.005
    miss: float = 0.05

    def __post_init__(self) -> None:
        if self.min_requests < 1:
            raise ValueError(f"min_requests is {self.min_requests}; a verdict needs at least 1 request")
        if self.min_points < LEAST_FOR_RANKS:
            raise ValueError(f"min_points is {self.min_points}; ranks need at least {LEAST_FOR_RANKS} points")
        for name in ("error_margin", "max_error_rate", "false_alarm", "miss"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")
        if self.latency_margin <= _SLOWER:
            raise ValueError(
                f"latency_margin is {self.latency_margin}; it must be above {_SLOWER}, which counts as equal"
            )
        if self.unfelt_ms < 0:
            raise ValueError(f"unfelt_ms is {self.unfelt_ms}; it must be at least 0")


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison.

    Args:
        verdict: without regard to the others.
        sentence: the numbers and the limit.
        harm_p: chance of such evidence from a green that does no harm; 1 where nothing could be compared.
        numbers: the same for machines, camelCase.
    """

    name: str
    verdict: Verdict
    sentence: str
    harm_p: float = 1.0
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BakeJudgement:
    """`reason` tells what decided; `findings` tell everything."""

    verdict: Verdict
    reason: str
    findings: tuple[Finding, ...]


def judge(evidence: Evidence, rules: Rules, look: Look) -> BakeJudgement:
    """Judge what is known at this look.

    A failure counts at once. A pass counts at the last look alone: before, it says how things stand.

    Args:
        look: when; the budget of false alarms is spent over the looks of one bake.
    """
    found = [*_counted(evidence, rules), *_timed(evidence, rules)]
    limit = look.error_budget(rules.false_alarm) / len(found)
    findings = tuple(_harmful(one) if one.harm_p <= limit else one for one in found)
    for verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE):
        if deciding := [one.sentence for one in findings if one.verdict is verdict]:
            return BakeJudgement(verdict, "; ".join(deciding), findings)
    return BakeJudgement(Verdict.PASSED, "; ".join(one.sentence for one in findings), findings)


def passes(verdict: Verdict, *, inconclusive_passes: bool = False) -> bool:
    """Whether green stays when the verdict is due. Only a config that says so lets an inconclusive one pass."""
    return verdict is Verdict.PASSED or (inconclusive_passes and verdict is Verdict.INCONCLUSIVE)


def probes_missing(evidence: Evidence, rules: Rules) -> int:
    """How many more probes green must answer until it has answered enough."""
    return max(0, rules.min_requests - evidence.green.errors().trials)


def _harmful(finding: Finding) -> Finding:
    chance = f"chance alone does this to {finding.harm_p:.1e} of good releases"
    return replace(finding, verdict=Verdict.FAILED, sentence=f"{finding.sentence}; {chance}")


def _control(evidence: Evidence, rules: Rules) -> Arm | None:
    """Blue beside green if it has seen enough itself, else its recorded window if that has."""
    enough = [arm for arm in (evidence.blue, evidence.recorded) if arm and arm.errors().trials >= rules.min_requests]
    return enough[0] if enough else None


def _counted(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    green, control = evidence.green, _control(evidence, rules)
    yield _volume(green.errors(), rules)
    if control:
        yield _against("errors", green.errors(), control.errors(), rules)
    if control is None or control is not evidence.blue:
        yield _below("errors in all", green.errors(), rules)
    # Refused requests and unmet prompts say nothing for green by their absence: few ask for them.
    watched = {"refused requests": _refused, "golden prompts not met": _unmet}
    for name, share in watched.items():
        if control and share(green).hits and share(control).trials:
            yield _watched(name, share(green), share(control))


def _refused(arm: Arm) -> Share:
    return Share(min(arm.requests, arm.client_errors), arm.requests)


def _unmet(arm: Arm) -> Share:
    return Share(min(arm.probes, arm.probes_unmet), arm.probes)


def _volume(green: Share, rules: Rules) -> Finding:
    enough = green.trials >= rules.min_requests
    return Finding(
        "volume",
        Verdict.PASSED if enough else Verdict.INCONCLUSIVE,
        f"green answered {green.trials} requests, {rules.min_requests} are needed",
        numbers={"requests": green.trials, "needed": rules.min_requests},
    )


def _against(name: str, green: Share, blue: Share, rules: Rules) -> Finding:
    worst = difference_at_most(green, blue, rules.miss)
    within = worst <= rules.error_margin
    return Finding(
        name,
        Verdict.PASSED if within else Verdict.INCONCLUSIVE,
        f"{name}: green {_of(green)}, blue {_of(blue)}; green may be {100 * worst:.1f} points worse, "
        f"{100 * rules.error_margin:.1f} are allowed",
        _more_often(green, blue),
        {"green": green.rate, "blue": blue.rate, "worst": worst, "allowed": rules.error_margin},
    )


def _below(name: str, green: Share, rules: Rules) -> Finding:
    worst = wilson_bounds(green, rules.miss)[1]
    return Finding(
        name,
        Verdict.PASSED if worst <= rules.max_error_rate else Verdict.INCONCLUSIVE,
        f"{name}: green {_of(green)}, which may stand for {100 * worst:.1f} %; {100 * rules.max_error_rate:.1f} % are "
        "allowed",
        binomial_at_least(green, rules.max_error_rate),
        {"green": green.rate, "worst": worst, "allowed": rules.max_error_rate},
    )


def _watched(name: str, green: Share, blue: Share) -> Finding:
    sentence = f"{name}: green {_of(green)}, blue {_of(blue)}"
    numbers = {"green": green.rate, "blue": blue.rate}
    return Finding(name, Verdict.PASSED, sentence, _more_often(green, blue), numbers)


def _more_often(green: Share, blue: Share) -> float:
    return fisher_greater(green, blue) if green.rate - blue.rate > _MORE_OFTEN else 1.0


def _of(share: Share) -> str:
    return f"{share.hits} of {share.trials} ({100 * share.rate:.1f} %)"


def _timed(evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    """Series with enough points must all hold, and there must be one, unless nothing served before."""
    compared = [one for series in evidence.green.latency for one in _compared(series, evidence, rules)]
    limited = [one for series in evidence.green.latency for one in _limited(series, rules)]
    yield from [*compared, *limited]
    if compared or limited or (rules.max_latency_ms is None and evidence.first_release):
        return
    broken = rules.max_latency_ms is None and _only_failing(evidence)
    yield _nothing_to_be_slower_than(broken) if broken else _untimed(evidence, rules)


def _only_failing(evidence: Evidence) -> Share | None:
    """A blue that answered nothing but errors, often enough not to be chance."""
    arms = [arm.errors() for arm in (evidence.blue, evidence.recorded) if arm and arm.errors().trials]
    failing = all(share.hits == share.trials for share in arms)
    return arms[0] if failing and sum(share.trials for share in arms) >= LEAST_FOR_RANKS else None


def _nothing_to_be_slower_than(blue: Share) -> Finding:
    sentence = f"latency: blue answered with errors alone, {_of(blue)}, and nothing is slower than no answer"
    return Finding("latency", Verdict.PASSED, sentence, numbers={"blueErrors": blue.hits})


def _untimed(evidence: Evidence, rules: Rules) -> Finding:
    green = max((len(series.after(rules.warm_up_s)) for series in evidence.green.latency), default=0)
    return Finding(
        "latency",
        Verdict.INCONCLUSIVE,
        f"latency: green has {green} points after {rules.warm_up_s:g} s of warm-up, {rules.min_points} are needed of "
        "green and, where there is no limit, as many of blue",
        numbers={"points": green, "needed": rules.min_points},
    )


def _compared(series: Series, evidence: Evidence, rules: Rules) -> Iterator[Finding]:
    green = series.after(rules.warm_up_s)
    beside = evidence.blue.series(series.name).after(rules.warm_up_s) if evidence.blue else ()
    before = evidence.recorded.series(series.name).after(-math.inf) if evidence.recorded else ()
    blue = beside if len(beside) >= rules.min_points else before
    if min(len(green), len(blue)) < LEAST_FOR_RANKS:
        return
    harm = rank_sum_greater(green, _raised(blue, _SLOWER, rules))
    safe = rank_sum_greater(_raised(blue, rules.latency_margin, rules), green).p <= rules.miss
    enough = min(len(green), len(blue)) >= rules.min_points
    slower = median(green) / median(blue) - 1 if median(blue) > 0 else math.inf
    pairs = rank_sum_greater(green, blue).superiority
    # Too few points can prove harm, never safety: without a sign of harm they are left to the series that have enough.
    if not enough and harm.p > rules.miss:
        return
    yield Finding(
        series.name,
        Verdict.PASSED if safe and enough else Verdict.INCONCLUSIVE,
        f"{series.name}: green's median {median(green):.0f} ms, blue's {median(blue):.0f} ms ({100 * slower:+.0f} %; "
        f"slower in {100 * pairs:.0f} % of {len(green)} x {len(blue)} pairs); {_margin(median(blue), rules)} is "
        f"{'ruled out' if safe else 'not ruled out'}",
        harm.p,
        {"green": median(green), "blue": median(blue), "superiority": pairs, "points": len(green)},
    )


def _raised(blue: tuple[float, ...], part: float, rules: Rules) -> list[float]:
    return [value + max(part * value, rules.unfelt_ms) for value in blue]


def _margin(blue_ms: float, rules: Rules) -> str:
    percent = f"{100 * rules.latency_margin:.0f} %"
    return percent if rules.latency_margin * blue_ms >= rules.unfelt_ms else f"{rules.unfelt_ms:.0f} ms more"


def _limited(series: Series, rules: Rules) -> Iterator[Finding]:
    """The sign test: where the median is at the limit, half of the points lie above it."""
    values, limit_ms = series.after(rules.warm_up_s), rules.max_latency_ms
    if limit_ms is None or (series.quantile or _MEDIAN) > _MEDIAN or len(values) < rules.min_points:
        return
    above = Share(sum(value > limit_ms for value in values), len(values))
    below = Share(above.trials - above.hits, above.trials)
    yield Finding(
        f"{series.name} in all",
        Verdict.PASSED if binomial_at_least(below, _MEDIAN) <= rules.miss else Verdict.INCONCLUSIVE,
        f"{series.name}: {_of(above)} points are above the limit of {limit_ms:.0f} ms",
        binomial_at_least(above, _MEDIAN),
        {"above": above.rate, "limit": limit_ms},
    )
