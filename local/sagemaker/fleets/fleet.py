"""A fleet: the instances of all variants of one endpoint config, kept whole."""

import logging
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from local.sagemaker.fleets.container_faults import hang_if_told
from local.sagemaker.fleets.instance import Instance, VariantSpec
from local.sagemaker.fleets.launcher import Interrupt, Launcher, LaunchError

CRASH_POLL_S = 0.1
UNHEALTHY_AFTER_PINGS = 5
RELAUNCH_DELAY_S = 1.0
_PARALLEL_LAUNCHES = 4
_PARALLEL_PINGS = 8

logger = logging.getLogger(__name__)


class FleetEndedError(Exception):
    """The fleet was ended while an instance was starting."""


@dataclass
class Variant:
    spec: VariantSpec
    weight: float
    desired: int
    instances: list[Instance] = field(default_factory=list)

    def healthy(self) -> list[Instance]:
        return [instance for instance in self.instances if instance.healthy]


class Fleet:
    """Starts, watches, replaces and ends instances. Its methods may be called from any thread.

    Args:
        variants: one spec for each variant, with the count and the weight to begin with.
    """

    def __init__(self, endpoint: str, config_name: str, variants: Sequence[VariantSpec], launcher: Launcher) -> None:
        self.endpoint = endpoint
        self.config_name = config_name
        self.variants = {spec.name: Variant(spec, spec.weight, spec.instance_count) for spec in variants}
        self._launcher = launcher
        self._lock = threading.RLock()
        self._growing = threading.Lock()
        self._ended = threading.Event()
        self._shrunk = threading.Event()
        duties = (self._watch_processes, self._watch_health, self._replace_lost)
        self._watchers = [
            threading.Thread(target=duty, name=f"{duty.__name__}-{config_name}", daemon=True) for duty in duties
        ]
        self._endings: list[threading.Thread] = []

    def start(self, interrupt: Interrupt) -> None:
        """Bring every instance into service; on failure end those that were.

        Raises:
            LaunchError: an instance cannot come into service.
            Exception: whatever `interrupt` raised.
        """
        try:
            for variant in self.variants.values():
                self._grow(variant, interrupt)
        except BaseException:
            self.end()
            raise
        for watcher in self._watchers:
            watcher.start()

    def resize(self, name: str, count: int, interrupt: Interrupt) -> None:
        """Scale one variant out or in.

        Raises:
            LaunchError: an instance cannot come into service.
            Exception: whatever `interrupt` raised. After either, the variant keeps the count that it had.
        """
        variant = self.variants[name]
        before, variant.desired = variant.desired, count
        try:
            self._grow(variant, interrupt)
        except BaseException:
            variant.desired = before
            raise
        with self._lock:
            surplus, variant.instances = variant.instances[count:], variant.instances[:count]
        self._end_instances(surplus)

    def end(self) -> None:
        """End every instance; requests in flight finish first where AWS lets them."""
        self._ended.set()
        self._shrunk.set()
        for watcher in self._watchers:
            if watcher.ident is not None and watcher is not threading.current_thread():
                watcher.join()
        with self._lock:
            everyone = [instance for variant in self.variants.values() for instance in variant.instances]
            for variant in self.variants.values():
                variant.instances = []
        self._end_instances(everyone)
        for ending in self._endings:
            ending.join()

    def reserve(self, variant_name: str | None) -> Instance | None:
        """Reserve a healthy instance of the named variant, or of a variant drawn by weight; None where there is none.

        The caller releases it. Reserving under the fleet's lock means that an instance which is being ended either
        sees the request in flight or is not chosen.
        """
        with self._lock:
            named = [v for v in self.variants.values() if variant_name in (None, v.spec.name) and v.healthy()]
            weights = [1.0 if variant_name else variant.weight for variant in named]
            if not sum(weights):
                return None
            variant = random.choices(named, weights)[0]  # noqa: S311 - spreads load, keeps no secret
            instance = _choose(variant)
            instance.reserve()
            return instance

    def reserve_same(self, instance: Instance) -> bool:
        """Reserve this very instance, as a session must; False if it has left the fleet or is not healthy."""
        with self._lock:
            if not self.has(instance) or not instance.healthy:
                return False
            instance.reserve()
            return True

    def has(self, instance: Instance) -> bool:
        """Whether the instance is still one of the fleet's, healthy or not."""
        with self._lock:
            return any(instance in variant.instances for variant in self.variants.values())

    def _grow(self, variant: Variant, interrupt: Interrupt) -> None:
        with self._growing:
            missing = variant.desired - len(variant.instances)
            if missing <= 0:
                return
            launcher, place = self._launcher, (self.endpoint, self.config_name)
            provisioned = launcher.provision(*place, variant.spec, missing, interrupt)
            with ThreadPoolExecutor(min(missing, _PARALLEL_LAUNCHES), "launch") as pool:
                launches = [pool.submit(launcher.launch, *place, spec, interrupt) for spec in provisioned]
            failures = [failure for launch in launches if (failure := launch.exception())]
            started = [launch.result() for launch in launches if launch.exception() is None]
            if failures:
                self._end_instances(started)
                raise failures[0]
            with self._lock:
                variant.instances += started

    def _end_instances(self, instances: Sequence[Instance], *, lost: bool = False) -> None:
        with self._lock:
            for instance in instances:
                instance.healthy = False
        if instances:
            with ThreadPoolExecutor(len(instances), "end") as pool:
                list(pool.map(lambda instance: self._launcher.end(instance, lost=lost), instances))

    # What keeps the fleet whole, each in a thread of its own, so that nothing slow keeps a crash from being seen.

    def _watch_processes(self) -> None:
        while not self._ended.wait(CRASH_POLL_S):
            if lost := [instance for variant in self.variants.values() for instance in self._remove_lost(variant)]:
                # A process that hangs takes half a minute to end, and nobody waits for it.
                ending = threading.Thread(target=self._end_instances, args=(lost,), kwargs={"lost": True}, daemon=True)
                self._endings = [other for other in self._endings if other.is_alive()] + [ending]
                ending.start()
                self._shrunk.set()

    def _remove_lost(self, variant: Variant) -> list[Instance]:
        lost = [instance for instance in list(variant.instances) if _is_lost(instance)]
        with self._lock:
            for instance in lost:
                logger.warning("instance %s of endpoint %s is lost and will be replaced", instance.id, self.endpoint)
                instance.healthy = False
                if instance in variant.instances:
                    variant.instances.remove(instance)
        return lost

    def _watch_health(self) -> None:
        with ThreadPoolExecutor(_PARALLEL_PINGS, "ping") as pool:
            while not self._ended.wait(self._launcher.limits.ping_every_s):
                instances = [i for variant in self.variants.values() for i in list(variant.instances)]
                list(pool.map(self._check_health, instances))

    def _check_health(self, instance: Instance) -> None:
        hang_if_told(self._launcher.world.faults, instance)
        well = instance.ping()
        instance.missed_pings = 0 if well else instance.missed_pings + 1
        with self._lock:
            # It may have refused a connection and listen again; one that is being ended is no more the fleet's.
            if well and self.has(instance):
                instance.healthy = True

    def _replace_lost(self) -> None:
        while True:
            self._shrunk.wait()
            self._shrunk.clear()
            for variant in self.variants.values():
                try:
                    self._grow(variant, self._raise_if_ended)
                except LaunchError as error:
                    logger.warning("a replacement for endpoint %s did not start: %s", self.endpoint, error)
                    self._ended.wait(RELAUNCH_DELAY_S)
                    self._shrunk.set()
                except FleetEndedError:
                    pass
            if self._ended.is_set():
                return

    def _raise_if_ended(self) -> None:
        if self._ended.is_set():
            raise FleetEndedError(self.config_name)


def _choose(variant: Variant) -> Instance:
    instances = variant.healthy()
    if variant.spec.routing == "LEAST_OUTSTANDING_REQUESTS":
        least = min(instance.in_flight for instance in instances)
        instances = [instance for instance in instances if instance.in_flight == least]
    return random.choice(instances)  # noqa: S311 - spreads load, keeps no secret


def _is_lost(instance: Instance) -> bool:
    return instance.process.poll() is not None or instance.missed_pings >= UNHEALTHY_AFTER_PINGS
