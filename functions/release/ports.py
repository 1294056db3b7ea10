"""What the flows need from the outside world, in their own words.

Every method may raise ServiceUnavailableError: the service throttled, failed on its side or did not answer in time.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Protocol

from release.contracts.config import PartialConfig
from release.contracts.machines import Notification
from release.contracts.settings import PolicySettings
from release.contracts.table import EndpointItem, ImageItem, PlanItem, ReleaseItem, RolloutItem, SealItem, WaitingItem
from release.domain.phases import Phase
from release.domain.plan import Plan
from release.domain.price import PriceList
from release.domain.truth import EndpointState, ProbeAnswer

Clock = Callable[[], datetime]
"""Now, aware, UTC."""


@dataclass(frozen=True, slots=True)
class Fence:
    """Proof of a lease: writes under it fail once another holder has taken a higher token, and renew it otherwise."""

    endpoint: str
    holder: str
    token: int
    renewed_until: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A rollout's next phase and why; `plan` is recorded with it."""

    phase: Phase
    reason: str
    at: str
    plan: PlanItem | None = None


class ReleaseTable(Protocol):
    """The records. Reads see every earlier write; each write is all or nothing."""

    def endpoint(self, endpoint: str) -> EndpointItem | None: ...

    def endpoints(self) -> list[EndpointItem]: ...

    def release(self, endpoint: str, release_id: str) -> ReleaseItem | None: ...

    def rollout(self, endpoint: str, rollout_id: str) -> RolloutItem | None: ...

    def rollouts(self, endpoint: str) -> list[RolloutItem]: ...

    def seal(self, seal: str) -> SealItem | None: ...

    def add_release(self, release: ReleaseItem) -> None:
        """Write it unless it is there: a release never changes."""
        ...

    def next_number(self, endpoint: str, release_id: str) -> int:
        """The next rollout's number, given to nobody else. Numbers may be skipped, never repeated."""
        ...

    def register(self, rollout: RolloutItem, seal: str) -> bool:
        """Bind the seal to the rollout and write both; False if the seal is bound or the rollout id is taken."""
        ...

    def newest_image(self) -> ImageItem | None: ...

    def push_image(self, image: ImageItem) -> None:
        """Remember it, unless an image that was pushed later is remembered."""
        ...

    def waiting(self) -> list[WaitingItem]: ...

    def wait_for_image(self, drop: WaitingItem) -> None:
        """Remember drop and seal, unless a later drop for the same endpoint waits."""
        ...

    def stop_waiting(self, drop: WaitingItem) -> None:
        """Forget it, unless another drop waits in its place by now."""
        ...

    def note_execution(self, rollout: RolloutItem, execution_arn: str) -> None: ...

    def note_artifact(self, endpoint: str, artifact_id: str, at: str) -> None:
        """Remember the endpoint's newest artifact: the one that the next image is rolled out with."""
        ...

    def enter(self, rollout: RolloutItem, entry: Entry, fence: Fence | None = None) -> None:
        """Write the rollout's next phase.

        Raises:
            LeaseLostError: the fence no longer holds; nothing was written.
            ServiceUnavailableError: the rollout is no longer in the phase that `rollout` shows; look again.
        """
        ...

    def take_lease(self, rollout: RolloutItem, *, now: str, expires_at: str) -> int:
        """Become the holder, or stay it, and write the token into the rollout's record.

        Raises:
            LeaseHeldError: another rollout holds it and is not past its expiry.
        """
        ...

    def lease_holder(self, endpoint: str, now: str) -> str | None:
        """The rollout that holds the endpoint's lease; None when it is free or run out."""
        ...

    def renew_lease(self, fence: Fence) -> None:
        """Raises LeaseLostError."""
        ...

    def end(
        self, rollout: RolloutItem, entry: Entry, fence: Fence | None = None, live: ReleaseItem | None = None
    ) -> None:
        """Write the rollout's last phase and give the lease back, in one write.

        Args:
            fence: the lease to check and give back; None if the rollout holds none.
            live: the release that serves from now on; the endpoint's record follows and its former rollout ends.

        Raises:
            LeaseLostError: the fence no longer holds; nothing was written.
            ServiceUnavailableError: a record has changed meanwhile; look again.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """`checksum` is over the whole object and algorithm-prefixed, or the ETag as `etag:…`; `crc32` is base64."""

    size: int
    checksum: str
    crc32: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """One regular file of a tarball; `body` can be read once, before the next member is asked for."""

    path: str
    size: int
    body: IO[bytes]


class ArtifactStore(Protocol):
    """The artifact bucket."""

    @property
    def bucket(self) -> str: ...

    def sizes(self, prefix: str) -> dict[str, int]:
        """Path below the prefix → bytes, of every object under it."""
        ...

    def head(self, key: str) -> StoredObject | None: ...

    def read(self, key: str, *, start: int = 0, length: int | None = None, version_id: str | None = None) -> bytes:
        """`length` bytes from `start`; fewer at the object's end.

        Raises:
            ArtifactIncompleteError: there is no such object.
        """
        ...

    def sha256(self, key: str) -> str:
        """Hex, by reading all of it."""
        ...

    def copy(self, key: str, target: str, size: int) -> None:
        """Server-side; any size.

        Raises:
            ArtifactIncompleteError: there is no such object.
        """
        ...

    def write(self, key: str, body: bytes) -> None: ...

    def write_stream(self, key: str, body: IO[bytes], size: int) -> str:
        """Write exactly `size` bytes from a stream; returns their SHA-256 in hex."""
        ...

    def members(self, key: str, checksum: str) -> Iterator[Member]:
        """The regular files of a gzipped tarball, in its order, read once from front to back.

        Args:
            checksum: of the tarball that is meant, as StoredObject has it; another may lie there by now.

        Raises:
            ArtifactRejectedError: another tarball, none at all, or one with links, devices, paths out of it, or too
                many bytes.
        """
        ...


class Serving(Protocol):
    """SageMaker's control plane. Creating what is there already with the same content does nothing."""

    def describe(self, endpoint_name: str) -> EndpointState | None: ...

    def ensure_model(
        self, name: str, *, image: str, data_uri: str, environment: Mapping[str, str], execution_role_arn: str
    ) -> None:
        """Raises RolloutFailedError: refused, or there is another model of this name."""
        ...

    def ensure_config(
        self,
        name: str,
        *,
        instance_type: str,
        instance_count: int,
        startup_timeout_s: int,
        fallback_types: Sequence[str] = (),
    ) -> None:
        """An endpoint config with one variant that serves the model of the same name.

        Args:
            fallback_types: where the first type has no capacity, in order of preference; at most four.

        Raises:
            RolloutFailedError: refused, or there is another config of this name.
        """
        ...

    def create_endpoint(self, endpoint_name: str, config_name: str) -> None:
        """Raises EndpointBusyError, RolloutFailedError."""
        ...

    def update_endpoint(
        self, endpoint_name: str, config_name: str, *, plan: Plan, alarm_name: str, max_execution_s: int
    ) -> None:
        """Raises EndpointBusyError, RolloutFailedError."""
        ...

    def delete_endpoint(self, endpoint_name: str) -> None:
        """Raises EndpointBusyError. No endpoint: nothing to do."""
        ...


class Alarms(Protocol):
    def ensure_guard(self, name: str, *, endpoint_name: str, config_name: str) -> None:
        """An alarm that trips when green answers with 5xx; silence is no trip, because a canary may be idle."""
        ...

    def is_tripped(self, name: str) -> bool: ...


class Probes(Protocol):
    def ask(self, endpoint_name: str) -> ProbeAnswer:
        """Send one short prompt as a customer would."""
        ...


class Machine(Protocol):
    def start(self, endpoint: str, rollout_id: str) -> str:
        """Start the release machine for a registered rollout, once however often it is asked; the execution's ARN."""
        ...


class Images(Protocol):
    def exists(self, image: str) -> bool:
        """Whether the registry still has the digest."""
        ...


class ImageRegistry(Protocol):
    def media_type(self, image: str) -> str | None:
        """Of the manifest behind the digest; None: there is no such image."""
        ...


class Templates(Protocol):
    def problems(self, source: str) -> list[str]:
        """What speaks against running a chat template, found without running it; each continues a sentence that begins
        with the template's place."""
        ...


class Signers(Protocol):
    """Whose signature an endpoint asks of its artifacts."""

    def keys_of(self, endpoint: str) -> str:
        """Public keys in PEM, one after another; empty: no signature is asked for."""
        ...

    def verified(self, keys: str, signed: bytes, signature: bytes) -> bool:
        """Whether one of the keys has signed (ECDSA, DER).

        Raises:
            InvalidInputError: the keys are not such keys.
        """
        ...


class Settings(Protocol):
    def of(self, endpoint: str) -> PartialConfig:
        """The endpoint's settings; empty if there are none.

        Raises:
            InvalidInputError: they break their contract.
        """
        ...


class Policies(Protocol):
    def policy(self, endpoint: str) -> PolicySettings:
        """What the endpoint's owner allows; empty if nothing was said.

        Raises:
            InvalidInputError: the endpoint's settings break their contract.
        """
        ...


class Quotas(Protocol):
    def applied(self, names: Collection[str]) -> dict[str, int]:
        """The account's quotas of SageMaker by Service Quotas' name; a name that is unknown there is left out."""
        ...


class Prices(Protocol):
    def current(self) -> PriceList:
        """The list that counts today.

        Raises:
            InvalidInputError: the account's own list cannot be read.
        """
        ...


class Notices(Protocol):
    def tell(self, notification: Notification) -> None: ...
