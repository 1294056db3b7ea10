"""Turning a wish to release into records: one seal, at most one rollout."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from release.contracts.config import Config, PartialConfig
from release.contracts.table import HistoryEntry, ReleaseItem, RolloutItem
from release.domain.config import merge
from release.domain.identity import release_id, rollout_id
from release.domain.phases import Phase
from release.errors import ServiceUnavailableError
from release.flows.stamps import stamp
from release.ports import Clock, ReleaseTable, Settings

Kind = Literal["drop", "push", "manual", "rollback"]

_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What asked for a rollout.

    Args:
        seal: names the asking; the same seal gets the same rollout however often it asks.
        source: where the files come from, as `domain.keys.Source` writes it.
        reason: the sentence of the rollout's first phase.
        phase: the first phase; an ending if the wish cannot be granted.
    """

    kind: Kind
    seal: str
    source: str
    reason: str
    phase: Phase = Phase.RECEIVED


@dataclass(frozen=True, slots=True)
class Composer:
    """Puts releases together.

    Args:
        defaults: the template's complete config, camelCase.
    """

    settings: Settings
    defaults: Mapping[str, Any]
    now: Clock

    def release_of(self, endpoint: str, artifact: str, image: str, *wishes: PartialConfig | None) -> ReleaseItem:
        """The release of artifact, image and config for the endpoint; the last wish wins over settings and defaults.

        Raises:
            InvalidInputError: the endpoint's settings or the defaults break their contract.
        """
        layers = [self.settings.of(endpoint), *(wish for wish in wishes if wish)]
        config = Config.parse(merge(self.defaults, *(layer.wire() for layer in layers)))
        identity = release_id(endpoint, artifact, image, config.wire())
        return ReleaseItem(
            pk=f"endpoint#{endpoint}",
            sk=f"release#{identity}",
            endpoint=endpoint,
            release_id=identity,
            artifact_id=artifact,
            image=image,
            config=config,
            rollouts=0,
            created_at=stamp(self.now()),
        )


@dataclass(frozen=True, slots=True)
class Registrar:
    """Gives every wish its rollout."""

    table: ReleaseTable
    now: Clock

    def register(self, release: ReleaseItem, wish: Wish) -> RolloutItem:
        """The rollout that the wish's seal is bound to: the one that it has, or a new one.

        Raises:
            ServiceUnavailableError: other writers were quicker each time.
        """
        for _ in range(_ATTEMPTS):
            if known := self.known(release.endpoint, wish.seal):
                return known
            self.table.add_release(release)
            number = self.table.next_number(release.endpoint, release.release_id)
            rollout = new_rollout(release.endpoint, release.release_id, number, wish, stamp(self.now()))
            if self.table.register(rollout, wish.seal):
                return rollout
        raise ServiceUnavailableError(f"release {release.release_id} got no rollout in {_ATTEMPTS} attempts; try again")

    def known(self, endpoint: str, seal: str) -> RolloutItem | None:
        """The rollout that this seal has started already."""
        item = self.table.seal(seal)
        return self.table.rollout(endpoint, item.rollout_id) if item and item.rollout_id else None


def new_rollout(endpoint: str, release: str, number: int, wish: Wish, at: str) -> RolloutItem:
    identity = rollout_id(release, number)
    return RolloutItem(
        pk=f"endpoint#{endpoint}",
        sk=f"rollout#{identity}",
        endpoint=endpoint,
        rollout_id=identity,
        release_id=release,
        kind=wish.kind,
        source=wish.source,
        phase=wish.phase,
        reason=wish.reason,
        history=(HistoryEntry(phase=wish.phase, at=at, reason=wish.reason),),
        created_at=at,
        updated_at=at,
    )
