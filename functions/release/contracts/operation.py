"""What "Operate endpoint" answers a person, and where an endpoint stands."""

from release.contracts.base import Contract, EndpointName, ReleaseId, RolloutId, Timestamp
from release.contracts.history import Provenance, Ran
from release.contracts.machines import Verb
from release.contracts.table import EstimateItem, Freeze, GateItem, Mark
from release.domain.phases import Phase


class RolloutState(Contract):
    """One rollout under way, as `why` tells it."""

    rollout_id: RolloutId
    release_id: ReleaseId
    kind: str
    phase: Phase
    since: Timestamp
    reason: str
    awaiting: str | None = None
    paused: Mark | None = None
    abort: Mark | None = None
    execution_arn: str | None = None
    estimate: EstimateItem | None = None
    """Of its plan; absent until it is planned."""
    gates: tuple[GateItem, ...] | None = None
    """Those whose verdict has fallen."""
    next: str
    """What happens next, and by when."""


class Why(Contract):
    """Where an endpoint stands and what it waits for; absent: there is none.

    Args:
        status: SageMaker's EndpointStatus; empty if there is no endpoint.
        alarms: state by name, of the rollout that holds the lease.
    """

    live_release_id: ReleaseId | None = None
    live_rollout_id: RolloutId | None = None
    status: str
    config_name: str
    pending_config: str
    failure: str
    lease_holder: RolloutId | None = None
    lease_expires_at: Timestamp | None = None
    frozen: Freeze | None = None
    alarms: dict[str, str]
    rollouts: tuple[RolloutState, ...]


class Operated(Contract):
    """Answer of "Operate endpoint": one sentence, the rollout that it is about, and for a question its answer."""

    verb: Verb
    endpoint: EndpointName
    rollout_id: RolloutId | None = None
    sentence: str
    why: Why | None = None
    ran: Ran | None = None
    provenance: Provenance | None = None
