"""Drift: where the world no longer is what the records say, in sentences that name the next step."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from release.domain.truth import FAILED, EndpointState, is_moving


class DriftKind(StrEnum):
    HAND_MADE_UPDATE = "handMadeUpdate"
    ENDPOINT_GONE = "endpointGone"
    ENDPOINT_FAILED = "endpointFailed"
    MODEL_GONE = "modelGone"
    CONFIG_GONE = "configGone"
    IMAGE_GONE = "imageGone"
    TAG_MOVED = "tagMoved"
    ARTIFACT_CHANGED = "artifactChanged"
    SCALING_LOST = "scalingLost"
    ALARM_GONE = "alarmGone"
    LEDGER_BROKEN = "ledgerBroken"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference.

    Args:
        subject: the resource, by its own name.
        reason: one sentence: what is, what should be, and what to do.
        mended: the sweep has put it right already.
        undo: the command that brings back what the record says; empty where none does.
    """

    kind: DriftKind
    subject: str
    reason: str
    mended: bool = False
    undo: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return str(self.kind), self.subject


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """An object under a published prefix.

    Args:
        contents: how many different contents were written there, one after the other.
    """

    size: int
    contents: int


def endpoint_drift(state: EndpointState | None, *, endpoint_name: str, live_config: str, back: str) -> Drift | None:
    """Whether the endpoint runs what the record says is live; nobody holds its lease.

    An endpoint that moves is not judged: SageMaker may be at work on it by itself (SystemUpdating).

    Args:
        live_config: the endpoint config of the live rollout.
        back: the command that makes its release serve again.
    """
    if state is None:
        return Drift(
            DriftKind.ENDPOINT_GONE,
            endpoint_name,
            f"endpoint {endpoint_name} is gone, its record says that {live_config} serves; bring it back: {back}",
            undo=back,
        )
    if is_moving(state):
        return None
    if state.status == FAILED:
        return Drift(
            DriftKind.ENDPOINT_FAILED,
            endpoint_name,
            f"endpoint {endpoint_name} is Failed{f' ({state.failure})' if state.failure else ''} and serves nobody; "
            f"have it made anew: {back}",
            undo=back,
        )
    if state.config_name != live_config:
        return Drift(
            DriftKind.HAND_MADE_UPDATE,
            endpoint_name,
            f"endpoint {endpoint_name} runs {state.config_name}, its record says {live_config}; "
            f"adopt it (verb adopt) or take it back: {back}",
            undo=back,
        )
    return None


def artifact_drift(prefix: str, declared: Mapping[str, int], found: Mapping[str, PublishedFile]) -> list[Drift]:
    """What is wrong with published bytes: SageMaker loads whatever lies under the prefix at each scale-out.

    Args:
        declared: path → bytes, by the completed manifest.
        found: path → what lies there now, the manifest itself left out.
    """
    reasons = {
        **dict.fromkeys(declared.keys() - found.keys(), "is missing"),
        **dict.fromkeys(found.keys() - declared.keys(), "does not belong there"),
    }
    for path in declared.keys() & found.keys():
        if found[path].size != declared[path]:
            reasons[path] = f"has {found[path].size} bytes, its manifest says {declared[path]}"
        elif found[path].contents > 1:
            reasons[path] = f"has held {found[path].contents} different contents, published bytes are written once"
    return [
        Drift(
            DriftKind.ARTIFACT_CHANGED,
            prefix + path,
            f"{prefix}{path} {reason}; restore its first version before the endpoint scales out",
        )
        for path, reason in sorted(reasons.items())
    ]


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the ledger about drift, in order; `ended`: it says that the difference is gone."""

    kind: str
    subject: str
    ended: bool


def news(found: Iterable[Drift], told: Iterable[Told]) -> tuple[list[Drift], list[tuple[str, str]]]:
    """What the ledger does not know yet: new differences, and (kind, subject) of those that are gone.

    A difference that stays is told once, however often the sweep finds it; one that was mended is told every time.
    """
    standing: set[tuple[str, str]] = set()
    for line in told:
        (standing.discard if line.ended else standing.add)((line.kind, line.subject))
    drifts = list(found)
    present = {drift.key for drift in drifts}
    return [drift for drift in drifts if drift.mended or drift.key not in standing], sorted(standing - present)
