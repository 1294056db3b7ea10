"""How much of a bake is judged, by which rules, and when the verdict is due."""

from release.domain.plan import Plan, Strategy, waits_s
from release.domain.verdict import Rules

MIN_JUDGED_S = 120
"""A shorter bake cannot hold the proof that a verdict needs, so that it is watched and not judged."""

DUE = 0.75
"""The part of the bake at whose end the verdict is due: an abort needs the rest to be heeded."""

_LEAST_REQUESTS, _MOST_REQUESTS = 70, 250
# With none of 70 answers wrong beside none of 70, Newcombe's bound of the difference at 95 % is 3.7 points; 4 are
# allowed. With fewer not even faultless fleets pass.
_LEAST_POINTS, _MOST_POINTS = 20, 50
_SECONDS_A_REQUEST, _SECONDS_A_POINT = 2, 10
_WARM_UP_PART = 0.2
_ANSWER_S = 75  # the answer, and what comes after it


def why_no_preflight(plan: Plan, *, wanted: bool, way_back: bool, room: int | None) -> str:
    """Why a plan goes on without a preflight; empty if it has one.

    Args:
        wanted: the config asks for it.
        way_back: the rollout is a rollback.
        room: instances that the account may have beside those that serve; None if nobody knows.
    """
    if not wanted:
        return "the config turns it off"
    if way_back:
        return "a rollback brings back what has served before, and somebody waits for it"
    if room == 0:
        return f"the account's quota leaves no instance beside the {plan.fleet_size} that serve"
    return ""


def judged_s(plan: Plan) -> int:
    """Seconds of bake that the judge has: the bake, but no more than the update stands still for."""
    return min(plan.bake_s, waits_s(plan))


def why_unjudged(plan: Plan) -> str:
    """Why a plan's bake is not judged; empty if it is."""
    if plan.strategy is Strategy.FIRST_RELEASE:
        return "nothing serves beside a first release, and nothing could be rolled back to"
    if not judged_s(plan):
        return "the plan has no bake"
    if judged_s(plan) < MIN_JUDGED_S:
        return f"a bake of {judged_s(plan)} s is too short for proof, which needs {MIN_JUDGED_S} s"
    return ""


def due_s(plan: Plan) -> float:
    """Seconds of bake after which the verdict is due."""
    return DUE * judged_s(plan)


def may_ask(plan: Plan, passed_s: float) -> bool:
    """Whether a question that is asked now is answered before the bake ends: SageMaker gives an answer 60 s."""
    return passed_s + _ANSWER_S <= judged_s(plan)


def rules_for(plan: Plan) -> Rules:
    """The domain's own rules where a bake has ten minutes, and what a shorter one can hold."""
    length_s = judged_s(plan)
    return Rules(
        min_requests=max(_LEAST_REQUESTS, min(_MOST_REQUESTS, length_s // _SECONDS_A_REQUEST)),
        min_points=max(_LEAST_POINTS, min(_MOST_POINTS, length_s // _SECONDS_A_POINT)),
        warm_up_s=min(60.0, _WARM_UP_PART * length_s),
    )
