"""A live picture of one endpoint, put together from what the client reads."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from slipway.errors import EndpointUnknownError, SlipwayError
from slipway.evidence import AlarmState, GateEvidence
from slipway.feedback import Rate, Tally
from slipway.fleets import Fleet, Fleets
from slipway.money import Bill, EndpointCost
from slipway.operations import Operated
from slipway.progress import RolloutView
from slipway.records import EndpointState, Release, Rollout

RELEASES_SHOWN = 8
LEDGER_SHOWN = 12
_ROLLOUTS_SHOWN = 3


class Client(Protocol):
    """What the releases page needs of `slipway.client.Slipway`."""

    def endpoint(self, endpoint: str, /) -> EndpointState: ...
    def releases(self, endpoint: str, /) -> list[Release]: ...
    def rollouts(self, endpoint: str, /) -> list[Rollout]: ...
    def view(self, endpoint: str, rollout_id: str, /) -> RolloutView: ...
    def fleets(self, endpoint: str, /) -> Fleets | None: ...
    def gate_evidence(self, endpoint: str, rollout_id: str, /) -> tuple[GateEvidence, ...]: ...
    def alarms(self, endpoint: str, rollout_id: str, /) -> tuple[AlarmState, ...]: ...
    def feedback(self, endpoint: str, /) -> dict[str, Tally]: ...
    def cost(self, endpoint: str, /) -> EndpointCost: ...
    def ledger(self, endpoint: str, /) -> list[dict[str, Any]]: ...
    def provenance(self, endpoint: str, release: str, /) -> Operated: ...
    def why(self, endpoint: str, /) -> Operated: ...
    def pause(self, endpoint: str, /, *, reason: str, actor: str) -> Operated: ...
    def resume(self, endpoint: str, /, *, reason: str, actor: str) -> Operated: ...
    def approve(self, endpoint: str, /, *, reason: str, actor: str) -> Operated: ...
    def abort(self, endpoint: str, /, *, reason: str, actor: str) -> Operated: ...
    def freeze(self, endpoint: str, /, *, reason: str, actor: str) -> Operated: ...
    def unfreeze(self, endpoint: str, /, *, reason: str, actor: str) -> Operated: ...
    def rollback(self, endpoint: str, /) -> str: ...


@dataclass(frozen=True)
class UnderWay:
    """A rollout that moves, or the last one that did, with what its gates found and its alarms say."""

    view: RolloutView
    rollout: Rollout
    evidence: Sequence[GateEvidence]
    alarms: Sequence[AlarmState]

    def found(self, gate: str) -> GateEvidence | None:
        """What this gate said last; None while it said nothing."""
        return next((one for one in reversed(self.evidence) if one.gate == gate), None)


@dataclass(frozen=True)
class Listed:
    release: Release
    state: str
    tally: Tally | None


@dataclass(frozen=True)
class Picture:
    """`problems`: what could not be read, a sentence each; the rest of the picture stands."""

    endpoint: str
    at: datetime
    state: EndpointState | None = None
    fleets: Fleets | None = None
    rollouts: Sequence[UnderWay] = ()
    releases: Sequence[Listed] = ()
    ledger: Sequence[Mapping[str, Any]] = ()
    cost: EndpointCost | None = None
    problems: Sequence[str] = ()

    @property
    def moving(self) -> UnderWay | None:
        return next((one for one in self.rollouts if not one.rollout.ended), None)

    @property
    def verbs(self) -> tuple[str, ...]:
        """What a person may do now; what would only be refused is not offered."""
        return tuple(_verbs(self.moving.rollout if self.moving else None, self.state))


def _verbs(rollout: Rollout | None, state: EndpointState | None) -> list[str]:
    verbs: list[str] = []
    if rollout:
        verbs += ["approve"] if rollout.awaiting == "approval" else []
        verbs += ["resume"] if rollout.paused else ["pause"] if rollout.phase in _PAUSABLE else []
        verbs += ["abort"]
    elif state and state.last_good_release_id:
        verbs += ["rollback"]
    return [*verbs, "unfreeze" if state and state.frozen else "freeze"]


_PAUSABLE = frozenset({"received", "examined", "planned", "waiting", "creating", "preflight"})


_T = TypeVar("_T")


@dataclass
class _Reading:
    """Reads piece by piece: what AWS refuses or loses costs the picture that piece and leaves a sentence."""

    problems: list[str] = field(default_factory=list)

    def of(self, read: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return read()
        except EndpointUnknownError:
            return otherwise
        except SlipwayError as error:
            if (sentence := str(error)) not in self.problems:
                self.problems.append(sentence)
            return otherwise


def picture(client: Client, endpoint: str) -> Picture:
    """Blocking: some ten calls of AWS."""
    reading = _Reading()
    state = reading.of(lambda: client.endpoint(endpoint), None)
    rollouts: list[Rollout] = reading.of(lambda: client.rollouts(endpoint), [])
    tallies: dict[str, Tally] = reading.of(lambda: client.feedback(endpoint), {})
    releases: list[Release] = reading.of(lambda: client.releases(endpoint), [])
    live = state.live_release_id if state else ""
    return Picture(
        endpoint=endpoint,
        at=datetime.now(UTC),
        state=state,
        fleets=reading.of(lambda: client.fleets(endpoint), None),
        rollouts=[seen for one in _shown(rollouts) if (seen := _under_way(client, endpoint, one, reading))],
        releases=[
            Listed(one, _state(one, rollouts, live), tallies.get(one.release_id)) for one in releases[:RELEASES_SHOWN]
        ],
        ledger=reading.of(lambda: client.ledger(endpoint)[-LEDGER_SHOWN:][::-1], []),
        cost=reading.of(lambda: client.cost(endpoint), None),
        problems=reading.problems,
    )


def _shown(rollouts: Sequence[Rollout]) -> Sequence[Rollout]:
    """All that move, or else the newest."""
    moving = [one for one in rollouts if not one.ended]
    return moving[:_ROLLOUTS_SHOWN] or rollouts[:1]


def _under_way(client: Client, endpoint: str, rollout: Rollout, reading: _Reading) -> UnderWay | None:
    rollout_id = rollout.rollout_id
    view = reading.of(lambda: client.view(endpoint, rollout_id), None)
    if view is None:
        return None
    return UnderWay(
        view=view,
        rollout=rollout,
        evidence=reading.of(lambda: client.gate_evidence(endpoint, rollout_id), ()),
        alarms=reading.of(lambda: client.alarms(endpoint, rollout_id), ()),
    )


def _state(release: Release, rollouts: Sequence[Rollout], live: str) -> str:
    if release.release_id == live:
        return "live"
    return next((str(one.phase) for one in rollouts if one.release_id == release.release_id), "-")


def rate_text(rate: Rate) -> str:
    """A share with what it is worth: 8 of 10 is somewhere from 49 % to 94 %."""
    if not rate.trials:
        return "none"
    low, high = rate.bounds
    return f"{100 * rate.hits / rate.trials:.0f} % of {rate.trials} ({100 * low:.0f} to {100 * high:.0f} %)"


def bill_text(bill: Bill | None) -> str:
    if bill is None or not bill.instances:
        return "nothing: no instance runs"
    fleet = " + ".join(f"{count} of {kind}" for kind, count in bill.instances.items())
    return f"{fleet}: " + (bill.unpriced if bill.hour_dollars is None else f"${bill.hour_dollars:,} an hour")


def fleet_text(fleet: Fleet) -> str:
    kinds = ", ".join(fleet.instance_types) or "instances"
    return f"{fleet.instances} of {fleet.desired} {kinds}"


def time_left_text(seconds: int | None) -> str:
    if seconds is None:
        return "nobody has estimated the time yet"
    if seconds == 0:
        return "longer than estimated"
    minutes, rest = divmod(seconds, 60)
    return f"about {minutes} min {rest:02} s left" if minutes else f"about {rest} s left"
