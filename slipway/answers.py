"""What the commands print with --json, where it is more than one record. `events/cli/` describes each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.chat_stream import Usage
from slipway.comparing import ReleaseDiff
from slipway.doctor import Check
from slipway.images import BuiltImage, PushedImage
from slipway.logs import LogLine
from slipway.money import Bill, EndpointCost
from slipway.operations import Operated, Swept
from slipway.packaging.package import Packaged
from slipway.provenance import Link
from slipway.records import EndpointState, PhaseChange, Release, Rollout
from slipway.undelivered import Replayed


@dataclass(frozen=True)
class ListedRelease:
    """`state`: `live`, or the phase of the rollout that got furthest."""

    state: str
    release: Release


@dataclass(frozen=True)
class ReleaseList:
    endpoint: EndpointState
    releases: tuple[ListedRelease, ...]


@dataclass(frozen=True)
class ShownRelease:
    """`manifest`: `events/artifact/manifest`, null once it was collected."""

    release: Release
    state: str
    rollouts: tuple[Rollout, ...]
    manifest: Mapping[str, Any] | None
    price: Bill


@dataclass(frozen=True)
class WatchedPhase:
    """One line for each phase that the rollout enters."""

    endpoint: str
    rollout_id: str
    change: PhaseChange


@dataclass(frozen=True)
class Deed:
    """`undo`: the command that undoes it; empty where nothing does."""

    done: Operated
    undo: str


@dataclass(frozen=True)
class ChatAnswer:
    endpoint: str
    release_id: str
    rollout_id: str
    text: str
    finish_reason: str
    usage: Usage | None


@dataclass(frozen=True)
class Diagnosis:
    endpoint: str
    well: bool
    """False when a check failed; one that could not be made leaves it true, and says so."""
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Explanation:
    """`broken`: a link does not hold; unknown links leave it false, and say why."""

    endpoint: str
    release_id: str
    rollout_id: str
    artifact_id: str
    image: str
    broken: bool
    links: tuple[Link, ...]


@dataclass(frozen=True)
class LoggedLine:
    """One line for each line of the log."""

    line: LogLine


@dataclass(frozen=True)
class WaitingEvent:
    message_id: str
    function: str
    what: str
    why: str
    sent_at: str
    event: Mapping[str, Any]


@dataclass(frozen=True)
class WaitingEvents:
    events: tuple[WaitingEvent, ...]


@dataclass(frozen=True)
class ReplayedEvents:
    replayed: tuple[Replayed, ...]


@dataclass(frozen=True)
class LocalStatus:
    """The embedded AWS of `slipway local up`; numbers and texts are empty or 0 while none runs."""

    running: bool
    pid: int
    aws_port: int
    ui_port: int
    url: str
    chat_url: str
    state_dir: str
    answers: bool
    """Whether somebody takes connections on the port."""


@dataclass(frozen=True)
class LocalEnd:
    """`ended`: false when none ran."""

    ended: bool


@dataclass(frozen=True)
class LocalForgotten:
    """`removed`: the folders that are gone."""

    removed: tuple[str, ...]


@dataclass(frozen=True)
class SimulatedSeed:
    """`calls`: of the ports; `violations`: a sentence for each promise that was broken."""

    seed: int
    rollouts: int
    calls: int
    violations: tuple[str, ...]


ANSWERS: Mapping[str, type] = {
    "package": Packaged,
    "push": WatchedPhase,
    "image build": BuiltImage,
    "image push": PushedImage,
    "releases list": ReleaseList,
    "releases show": ShownRelease,
    "releases diff": ReleaseDiff,
    "releases watch": WatchedPhase,
    "watch": WatchedPhase,
    "rollback": WatchedPhase,
    "pause": Deed,
    "resume": Deed,
    "approve": Deed,
    "abort": Deed,
    "freeze": Deed,
    "unfreeze": Deed,
    "wake": Deed,
    "remove": Deed,
    "break-glass release-lease": Deed,
    "break-glass adopt": Deed,
    "break-glass skip-gate": Deed,
    "why": Operated,
    "what-ran": Operated,
    "provenance": Operated,
    "sweep": Swept,
    "cost": EndpointCost,
    "doctor": Diagnosis,
    "explain": Explanation,
    "logs": LoggedLine,
    "events list": WaitingEvents,
    "events replay": ReplayedEvents,
    "chat": ChatAnswer,
    "simulate": SimulatedSeed,
    "local status": LocalStatus,
    "local down": LocalEnd,
    "local reset": LocalForgotten,
}
"""What each command prints with --json; `logs`, `push`, `watch` and `rollback` print one such object per line."""
