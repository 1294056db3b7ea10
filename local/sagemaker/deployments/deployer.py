"""Accepts operations on endpoints and carries each of them out in a thread of its own."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.sagemaker.behaviour import AlarmsAtStart, Behaviour
from local.sagemaker.deployments import traffic
from local.sagemaker.deployments.admission import Operation, admit
from local.sagemaker.deployments.announcer import Announcer, Emit
from local.sagemaker.deployments.deployment import Deployment
from local.sagemaker.deployments.guard import DeploymentFailedError, Guard, StoppingError
from local.sagemaker.deployments.journal import Journal
from local.sagemaker.deployments.maintenance import Maintenance
from local.sagemaker.deployments.policy import Counts, read_policy
from local.sagemaker.deployments.scaling import Scaling, Wish
from local.sagemaker.deployments.side import Side
from local.sagemaker.deployments.update import BROKEN, Update
from local.sagemaker.endpoint import Endpoint
from local.sagemaker.errors import AwsError, validation
from local.sagemaker.fleets.fleet import Fleet
from local.sagemaker.fleets.instance import VariantSpec
from local.sagemaker.fleets.launcher import Launcher, LaunchError
from local.sagemaker.registry import Registry
from local.sagemaker.statuses import EndpointStatus, VariantStage
from local.world import World

# Developer guide, deployment guardrails, exclusions: such an endpoint falls back to all at once without a final bake.
_WITHOUT_GUARDRAILS = "ml.inf1."

logger = logging.getLogger(__name__)


class Deployer:
    """What the control plane asks of endpoints. Each operation is judged and accepted before the call returns."""

    def __init__(self, world: World, registry: Registry, launcher: Launcher, emit: Emit, behaviour: Behaviour) -> None:
        self._world = world
        self._registry = registry
        self._launcher = launcher
        self._behaviour = behaviour
        self._announcer = Announcer(registry, emit, behaviour)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._threads_lock = threading.Lock()
        self._maintenance = Maintenance(world, registry, self.interrupt_service)

    def admit(self, endpoint: Endpoint, operation: Operation) -> None:
        """Raises AwsError: ValidationException, the endpoint's status does not take this operation."""
        admit(endpoint, operation, self._behaviour)

    def check_first(self, deployment_config: Mapping[str, Any] | None, specs: Sequence[VariantSpec]) -> None:
        """What CreateEndpoint makes of a DeploymentConfig: it must be readable.

        Raises:
            AwsError: ValidationException.
        """
        read_policy(deployment_config, _counts(specs), self._behaviour)

    def at_once(self, endpoint: Endpoint, specs: Sequence[VariantSpec], request: Mapping[str, Any]) -> Counts:
        """How many new instances an UpdateEndpoint request brings up together: a rolling update's are its first batch.

        Raises:
            AwsError: ValidationException, its DeploymentConfig is not readable.
        """
        policy = read_policy(_deployment_config(endpoint, specs, request), _counts(specs), self._behaviour)
        return policy.steps[0].capacity if policy.rolling else _counts(specs)

    def create(self, endpoint: Endpoint, specs: Sequence[VariantSpec]) -> None:
        """Bring a new endpoint's first fleet up. The endpoint is Creating already."""
        journal = self._journal(endpoint)
        with endpoint.lock:
            journal.pend(endpoint.config_name, specs)
        self._run(journal, lambda: self._create(journal, specs), EndpointStatus.FAILED)

    def update(
        self, endpoint: Endpoint, config_name: str, specs: Sequence[VariantSpec], request: Mapping[str, Any]
    ) -> None:
        """Lead the endpoint to another config, as an UpdateEndpoint request says.

        Raises:
            AwsError: ValidationException, the endpoint takes no update now, or not this one.
        """
        with endpoint.lock:
            self.admit(endpoint, Operation.UPDATE)
            config = _deployment_config(endpoint, specs, request)
            serving = Side(endpoint.fleets())
            old = {name: serving.count(name) for name in endpoint.variants()}
            policy = read_policy(config, _counts(specs), self._behaviour, old)
            if policy.guarded and set(old) != {spec.name for spec in specs}:
                raise validation(
                    f"Variant names of the new endpoint configuration ({sorted(spec.name for spec in specs)}) must "
                    f"equal those of the old one ({sorted(old)}) when a DeploymentConfig is given."
                )
            guard = Guard(self._world, specs, policy, self._behaviour, self._stopping)
            if self._behaviour.alarms_at_start is AlarmsAtStart.REFUSE:
                _refuse_if_alarmed(guard)
            if config or self._behaviour.plain_update_forgets_policy:
                endpoint.deployment_config = config
            journal = self._journal(endpoint, deployment_events=policy.guarded)
            journal.begin(EndpointStatus.UPDATING)
            journal.pend(config_name, specs)
            fleets = endpoint.fleets()
        new = Fleet(endpoint.name, config_name, specs, self._launcher)
        deployment = Deployment(journal, policy, guard, self._behaviour, self._world.faults, fleets, old, new)
        self._run(journal, Update(deployment).carry_out, EndpointStatus.IN_SERVICE)

    def scale(self, endpoint: Endpoint, wishes: Mapping[str, Wish]) -> None:
        """Give the endpoint's variants other counts and weights.

        Raises:
            AwsError: ValidationException, the endpoint's status does not allow it now.
        """
        with endpoint.lock:
            self.admit(endpoint, Operation.SCALE)
            journal = self._journal(endpoint, deployment_events=True)
            journal.begin(EndpointStatus.UPDATING)
            scaling = Scaling(self._world, journal, self._raise_if_stopping)
            scaling.wish(wishes)
        self._run(journal, lambda: scaling.carry_out(wishes), EndpointStatus.IN_SERVICE)

    def delete(self, endpoint: Endpoint) -> None:
        """End the endpoint and forget it.

        Raises:
            AwsError: ValidationException, the endpoint's status does not allow it now.
        """
        with endpoint.lock:
            self.admit(endpoint, Operation.DELETE)
            journal = self._journal(endpoint)
            journal.begin(EndpointStatus.DELETING)
        self._run(journal, lambda: self._delete(journal), EndpointStatus.FAILED)

    def interrupt_service(self, endpoint: Endpoint, status: EndpointStatus, aws_seconds: float) -> None:
        """Take an endpoint that is InService into SystemUpdating or OutOfService for so long; otherwise do nothing."""
        journal = self._journal(endpoint)
        with endpoint.lock:
            if endpoint.status is not EndpointStatus.IN_SERVICE:
                return
            journal.begin(status)
            if status is EndpointStatus.OUT_OF_SERVICE:
                journal.route(())
        self._run(journal, lambda: self._wait_and_return(journal, status, aws_seconds), EndpointStatus.IN_SERVICE)

    def stop(self) -> None:
        """Give up what is in progress and end every fleet."""
        self._maintenance.stop()
        self._stopping.set()
        self._launcher.hurry()
        for thread in self._running():
            thread.join()
        for endpoint in self._registry.endpoints.all():
            for fleet in endpoint.fleets():
                fleet.end()

    # The threads

    def _run(self, journal: Journal, deed: Callable[[], None], after_failure: EndpointStatus) -> None:
        def work() -> None:
            try:
                journal.announce()
                deed()
            except StoppingError:
                return
            except (DeploymentFailedError, LaunchError, AwsError) as failure:
                journal.end(after_failure, str(failure))
            except Exception:
                # The thread's end is the boundary: an endpoint must never hang in a status that only promises.
                logger.exception("operation on endpoint %s broke", journal.endpoint.name)
                journal.end(after_failure, BROKEN)

        thread = threading.Thread(target=work, name=f"deploy-{journal.endpoint.name}", daemon=True)
        with self._threads_lock:
            self._threads = [other for other in self._threads if other.is_alive()] + [thread]
            thread.start()

    def _running(self) -> list[threading.Thread]:
        with self._threads_lock:
            return list(self._threads)

    def _journal(self, endpoint: Endpoint, *, deployment_events: bool = False) -> Journal:
        return Journal(endpoint, self._world.clock, self._announcer, deployment_events=deployment_events)

    # The short operations themselves

    def _create(self, journal: Journal, specs: Sequence[VariantSpec]) -> None:
        config_name = journal.endpoint.config_name
        fleet = Fleet(journal.endpoint.name, config_name, specs, self._launcher)
        with journal.endpoint.lock:
            if journal.endpoint.pending:
                journal.endpoint.pending.fleet = fleet
        fleet.start(self._raise_if_stopping)
        journal.route(traffic.whole([fleet]))
        journal.end(EndpointStatus.IN_SERVICE, fleets=(fleet,))

    def _delete(self, journal: Journal) -> None:
        endpoint = journal.endpoint
        journal.route(())
        going = {name: f"Terminating {len(v.instances)} instance(s)." for name, v in endpoint.variants().items()}
        journal.stage_live(VariantStage.DELETING, going)
        for fleet in endpoint.fleets():
            fleet.end()
        if self._behaviour.deletion_needs_role:
            for variant in endpoint.variants().values():
                variant.spec.role.assume()
        self._registry.endpoints.remove(endpoint.name)
        self._registry.forget_tags(endpoint.arn)

    def _wait_and_return(self, journal: Journal, status: EndpointStatus, aws_seconds: float) -> None:
        self._world.clock.wait(self._stopping, aws_seconds)
        self._raise_if_stopping()
        with journal.endpoint.lock:
            if journal.endpoint.status is status:  # OutOfService may be deleted meanwhile, and by a switch updated
                journal.route(traffic.whole(journal.endpoint.fleets()))
        journal.end(EndpointStatus.IN_SERVICE, if_still=status)

    def _raise_if_stopping(self) -> None:
        if self._stopping.is_set():
            raise StoppingError


def _counts(specs: Sequence[VariantSpec]) -> dict[str, int]:
    return {spec.name: spec.instance_count for spec in specs}


def _deployment_config(
    endpoint: Endpoint, specs: Sequence[VariantSpec], request: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    if any(spec.instance_type.startswith(_WITHOUT_GUARDRAILS) for spec in specs):
        return None
    if request.get("RetainDeploymentConfig"):
        return endpoint.deployment_config
    return request.get("DeploymentConfig")


def _refuse_if_alarmed(guard: Guard) -> None:
    try:
        guard.check_alarms("when UpdateEndpoint was called")
    except DeploymentFailedError as error:
        raise validation(str(error)) from error
