"""What an operation writes into its endpoint's record, and tells of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from local.clock import Clock
from local.sagemaker.deployments.announcer import Announcer
from local.sagemaker.endpoint import Endpoint, PendingDeployment, Stage, TrafficShare, describe
from local.sagemaker.fleets.fleet import Fleet
from local.sagemaker.fleets.instance import VariantSpec
from local.sagemaker.statuses import EndpointStatus, VariantStage


class Journal:
    """The record of one endpoint while one operation is in progress.

    Args:
        deployment_events: whether stages are told as deployment events; SageMaker does where guardrails apply.
    """

    def __init__(self, endpoint: Endpoint, clock: Clock, announcer: Announcer, *, deployment_events: bool) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._announcer = announcer
        self._deployment_events = deployment_events
        self.counts = {name: variant.desired for name, variant in endpoint.variants().items()}
        """Instances that each variant of the current config shall have, should the operation come to nothing."""

    def begin(self, status: EndpointStatus) -> None:
        """Accept the operation; the caller holds the lock and tells by `announce` when it does no longer."""
        if status is not self.endpoint.status:
            self.endpoint.move_to(status, self._clock.now())

    def pend(self, config_name: str, specs: Sequence[VariantSpec]) -> None:
        """A deployment to this config is pending from now on. The caller holds the lock."""
        now = self._clock.now()
        messages = {spec.name: f"Launching {spec.instance_count} instance(s)." for spec in specs}
        stages = {name: Stage(VariantStage.CREATING, said, now) for name, said in messages.items()}
        self.endpoint.pending = PendingDeployment(config_name, specs, now, stages=stages)

    def announce(self) -> None:
        """Tell what `begin` accepted; nobody else writes until it is over."""
        self._tell(describe(self.endpoint))

    def stage_new(self, fleet: Fleet, stage: VariantStage, messages: Mapping[str, str]) -> None:
        """The pending deployment's fleet comes into this stage, each variant with its message."""
        now = self._clock.now()
        with self.endpoint.lock:
            if self.endpoint.pending:
                self.endpoint.pending.fleet = fleet
                self.endpoint.pending.stages = {name: Stage(stage, said, now) for name, said in messages.items()}
            described = describe(self.endpoint)
        self._tell_stage(described)

    def stage_live(self, stage: VariantStage, messages: Mapping[str, str]) -> None:
        """The variants of the config that counts as current come into this stage."""
        now = self._clock.now()
        with self.endpoint.lock:
            self.endpoint.variant_stages = {name: Stage(stage, said, now) for name, said in messages.items()}
            described = describe(self.endpoint)
        self._tell_stage(described)

    def wish(self, weights: Mapping[str, float], counts: Mapping[str, int]) -> None:
        """What variants shall have once the operation is over; DescribeEndpoint tells it as desired."""
        with self.endpoint.lock:
            self.endpoint.wished_weights = dict(weights)
            self.endpoint.wished_counts = {**self.endpoint.wished_counts, **counts}

    def route(self, traffic: Sequence[TrafficShare]) -> None:
        self.endpoint.traffic = tuple(traffic)

    def end(
        self,
        status: EndpointStatus,
        reason: str | None = None,
        *,
        config_name: str | None = None,
        fleets: Sequence[Fleet] | None = None,
        if_still: EndpointStatus | None = None,
    ) -> None:
        """The operation is over.

        Args:
            reason: why it came to nothing.
            config_name: what counts as the current config from now on, if it changed.
            fleets: what the endpoint consists of from now on, if it changed; the one of the current config first.
            if_still: do nothing unless this is the status yet.
        """
        with self.endpoint.lock:
            if if_still not in {None, self.endpoint.status}:
                return
            self.endpoint.pending = None
            self.endpoint.variant_stages = {}
            self.endpoint.wished_weights = {}
            self.endpoint.config_name = config_name or self.endpoint.config_name
            if fleets is not None:
                self.endpoint.fleet, *leftovers = fleets
                self.endpoint.leftovers = tuple(leftovers)
            self.endpoint.wished_counts = dict(self.counts) if self.endpoint.leftovers else {}
            self.endpoint.move_to(status, self._clock.now(), reason)
            described = describe(self.endpoint)  # the next operation may begin as soon as the lock is free
        self._tell(described)

    @staticmethod
    def drop_empty(fleets: Sequence[Fleet]) -> tuple[Fleet, ...]:
        """The first of the fleets and those others that shall have instances; the rest is ended."""
        first, *others = fleets
        kept = [fleet for fleet in others if any(variant.desired for variant in fleet.variants.values())]
        for fleet in others:
            if fleet not in kept:
                fleet.end()
        return (first, *kept)

    def change(self, status: EndpointStatus, reason: str | None = None) -> None:
        """Another status in the middle of the operation."""
        with self.endpoint.lock:
            self.endpoint.move_to(status, self._clock.now(), reason)
            described = describe(self.endpoint)  # the next operation may begin as soon as the lock is free
        self._tell(described)

    def _tell(self, described: Mapping[str, Any]) -> None:
        self._announcer.state(described)
        self._tell_stage(described)

    def _tell_stage(self, described: Mapping[str, Any]) -> None:
        if self._deployment_events:
            self._announcer.deployment(described)
