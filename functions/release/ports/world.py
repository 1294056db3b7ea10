"""Everything outside that is neither the release table nor the artifact bucket, in the flows' words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from release.contracts.config import PartialConfig
    from release.contracts.machines import Notification
    from release.contracts.settings import PolicySettings
    from release.domain.evidence import Arm
    from release.domain.hosting import Hosting
    from release.domain.plan import Plan
    from release.domain.price import PriceList
    from release.domain.probes import ChatAnswer, Prompt
    from release.domain.scaling import Bounds
    from release.domain.truth import EndpointState, ProbeAnswer

Clock = Callable[[], datetime]
"""Now, aware, UTC."""


class Serving(Protocol):
    """SageMaker's control plane. Creating what is there already with the same content does nothing."""

    def describe(self, endpoint_name: str) -> EndpointState | None: ...

    def ensure_model(
        self, name: str, *, image: str, data_uri: str, environment: Mapping[str, str], execution_role_arn: str
    ) -> None:
        """Raises RolloutFailedError: refused, or there is another model of this name."""
        ...

    def ensure_config(self, name: str, hosting: Hosting, *, model: str = "") -> None:
        """An endpoint config with one variant that serves one model.

        Args:
            model: its name, if it is not the config's own.

        Raises:
            RolloutFailedError: refused, or there is another config of this name.
        """
        ...

    def create_endpoint(self, endpoint_name: str, config_name: str) -> None:
        """Raises EndpointBusyError, RolloutFailedError."""
        ...

    def update_endpoint(
        self, endpoint_name: str, config_name: str, *, plan: Plan, alarms: Sequence[str], max_execution_s: int
    ) -> None:
        """Raises EndpointBusyError, RolloutFailedError."""
        ...

    def delete_endpoint(self, endpoint_name: str) -> None:
        """Raises EndpointBusyError. No endpoint: nothing to do."""
        ...


class Alarms(Protocol):
    """The alarms that a rollout owns. Asking for one that is there already changes nothing."""

    def ensure_guard(self, name: str, *, endpoint_name: str, config_name: str) -> None:
        """An alarm that trips when green answers with 5xx; silence is no trip, because a canary may be idle."""
        ...

    def ensure_abort(self, name: str, *, rollout_id: str) -> None:
        """An alarm that trips when the rollout's end was asked for, and stays tripped."""
        ...

    def ensure_dead_man(self, name: str, *, rollout_id: str) -> None:
        """An alarm that trips when the rollout's judge has been silent for `DEAD_MAN_S`."""
        ...

    def states(self, names: Sequence[str]) -> dict[str, str]:
        """OK, ALARM or INSUFFICIENT_DATA of each alarm that exists."""
        ...

    def delete(self, names: Sequence[str]) -> None:
        """Alarms that do not exist: nothing to do."""
        ...


class Scaling(Protocol):
    """What changes the size of an endpoint's fleet by itself.

    Every method may raise RolloutFailedError: Application Auto Scaling refuses.
    """

    def suspend(self, endpoint_name: str) -> None:
        """Change nothing until `ensure`. An endpoint that is not scaled: nothing to do."""
        ...

    def ensure(self, endpoint_name: str, bounds: Bounds) -> None:
        """Scale within the bounds from now on, whatever was before; the endpoint has to exist."""
        ...

    def is_at_work(self, endpoint_name: str) -> bool:
        """Whether the endpoint is scaled, and not suspended."""
        ...

    def remove(self, endpoint_name: str) -> None:
        """Scale it no more. An endpoint that is not scaled: nothing to do."""
        ...


FINE_S, COARSE_S = 10, 60
"""Seconds between two points of an endpoint's metrics, with enhanced metrics and without."""


@dataclass(frozen=True, slots=True)
class Window:
    """`period_s`: FINE_S or COARSE_S."""

    since: datetime
    until: datetime
    period_s: int


class Metrics(Protocol):
    """What a rollout says of itself, in numbers that its alarms watch, and what SageMaker says of a fleet."""

    def measured(self, endpoint_name: str, config_name: str, window: Window) -> Arm:
        """Requests, errors and latency of one fleet; nothing where none came, or too late to be told yet."""
        ...

    def beat(self, rollout_id: str) -> None:
        """The judge of this rollout lives."""
        ...

    def seed(self, rollout_id: str) -> None:
        """A heartbeat and no wish to abort, for now and for the periods just past, so that new alarms find data."""
        ...

    def request_abort(self, rollout_id: str) -> None: ...


class Waiters(Protocol):
    """Executions that wait with a task token. False: nobody waits with this token any more."""

    def succeed(self, task_token: str, answer: Mapping[str, Any]) -> bool: ...

    def fail(self, task_token: str, error: str, cause: str) -> bool:
        """
        Args:
            error: the name of a class of `release.errors`.
        """
        ...


class Probes(Protocol):
    def ask(self, endpoint_name: str) -> ProbeAnswer:
        """Send one short prompt as a customer would."""
        ...

    def chat(self, endpoint_name: str, prompt: Prompt) -> ChatAnswer:
        """Send one prompt, at temperature 0, and wait for the whole answer: up to 60 s, SageMaker's limit."""
        ...


class Schemas(Protocol):
    """JSON Schema, draft 2020-12."""

    def problem(self, schema: Mapping[str, Any]) -> str:
        """Why a schema cannot be used, to continue a sentence that begins with its place; empty if it can."""
        ...

    def broken_at(self, schema: Mapping[str, Any], value: Any) -> str:
        """Where a value breaks a schema; empty if it keeps it."""
        ...


class Machine(Protocol):
    def start(self, endpoint: str, rollout_id: str) -> str:
        """Start the release machine for a registered rollout, once however often it is asked; the execution's ARN."""
        ...


class WakeUps(Protocol):
    def at(self, endpoint: str, instant: str) -> None:
        """Let whoever waits at the endpoint look again at this instant, which is up to a year away; once for each."""
        ...


class Images(Protocol):
    def exists(self, image: str) -> bool:
        """Whether the registry still has the digest."""
        ...


class Settings(Protocol):
    def of(self, endpoint: str) -> PartialConfig:
        """The endpoint's part of every config; empty if there are no settings.

        Raises:
            InvalidInputError: they break their contract.
        """
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
