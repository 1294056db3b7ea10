"""The phases of a rollout and which may follow which."""

from enum import StrEnum


class Phase(StrEnum):
    RECEIVED = "received"
    EXAMINED = "examined"
    PLANNED = "planned"
    WAITING = "waiting"
    CREATING = "creating"
    PREFLIGHT = "preflight"
    SHIFTING = "shifting"
    BAKING = "baking"
    LIVE = "live"
    SUPERSEDED = "superseded"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    STUCK = "stuck"


_FORWARD = (
    Phase.RECEIVED,
    Phase.EXAMINED,
    Phase.PLANNED,
    Phase.WAITING,
    Phase.CREATING,
    Phase.PREFLIGHT,
    Phase.SHIFTING,
    Phase.BAKING,
    Phase.LIVE,
)
_BEFORE_WORK = frozenset({Phase.RECEIVED, Phase.EXAMINED, Phase.PLANNED, Phase.WAITING})
BEFORE_TRAFFIC = frozenset({*_BEFORE_WORK, Phase.CREATING, Phase.PREFLIGHT})
"""Nothing that people use has changed: the rollout can be paused, and ended at once."""
ENDS = frozenset(
    {Phase.SUPERSEDED, Phase.SKIPPED, Phase.REJECTED, Phase.FAILED, Phase.ROLLED_BACK, Phase.ABORTED, Phase.STUCK}
)
"""Nothing follows these. `live` has ended too, as far as its execution goes, but may still be superseded."""
SOUND = frozenset({*_FORWARD[_FORWARD.index(Phase.PLANNED) :], Phase.SUPERSEDED})
"""What the rollout brings has passed its examination and is on its way, serves, or has served."""

# Some steps have nothing to do: a way back is not examined, a free lease is not waited for,
# a config can do without a preflight, and a short bake can be over between two looks at the endpoint.
_MAY_SKIP = frozenset({Phase.EXAMINED, Phase.WAITING, Phase.PREFLIGHT, Phase.BAKING})


def has_ended(phase: Phase) -> bool:
    """True when the rollout's own work is over, well or badly."""
    return phase in ENDS or phase is Phase.LIVE


def may_follow(phase: Phase, later: Phase) -> bool:
    """Whether a rollout in `phase` may enter `later`."""
    if phase is Phase.LIVE:
        return later is Phase.SUPERSEDED
    if phase in ENDS or later is Phase.SUPERSEDED:
        return False
    if later in {Phase.SKIPPED, Phase.REJECTED}:
        return phase in _BEFORE_WORK
    if later is Phase.ROLLED_BACK:
        return phase not in _BEFORE_WORK
    if later in ENDS:
        return True
    here, there = _FORWARD.index(phase), _FORWARD.index(later)
    return here < there and _MAY_SKIP.issuperset(_FORWARD[here + 1 : there])
