"""A fleet: the instances of all variants of one endpoint config, kept whole."""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from local.sagemaker.fleets.instance import Instance, Launcher, LaunchError, VariantSpec

CRASH_POLL_S = 0.1
PING_EVERY_POLLS = 50
UNHEALTHY_AFTER_PINGS = 5
RELAUNCH_DELAY_S = 1.0
_PARALLEL_LAUNCHES = 4

logger = logging.getLogger(__name__)


class FleetEndedError(Exception):
    """The fleet was ended while an instance was starting."""


@dataclass
class Variant:
    spec: VariantSpec
    weight: float
    desired: int
    instances: list[Instance] = field(default_factory=list)
    missed_pings: dict[str, int] = field(default_factory=dict)

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
        self._watcher = threading.Thread(target=self._watch, name=f"watch-{config_name}", daemon=True)

    def start(self, interrupt: Callable[[], None]) -> None:
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
        self._watcher.start()

    def resize(self, name: str, count: int, interrupt: Callable[[], None]) -> None:
        """Scale one variant out or in.

        Raises:
            LaunchError: an instance cannot come into service; the variant keeps the count that it had.
        """
        variant = self.variants[name]
        before, variant.desired = variant.desired, count
        try:
            self._grow(variant, interrupt)
        except LaunchError:
            variant.desired = before
            raise
        with self._lock:
            surplus, variant.instances = variant.instances[count:], variant.instances[:count]
        self._end_instances(surplus)

    def end(self) -> None:
        """End every instance; requests in flight finish first."""
        self._ended.set()
        if self._watcher.ident is not None and self._watcher is not threading.current_thread():
            self._watcher.join()
        with self._lock:
            everyone = [instance for variant in self.variants.values() for instance in variant.instances]
            for variant in self.variants.values():
                variant.instances = []
        self._end_instances(everyone)

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
            instances = variant.healthy()
            if variant.spec.routing == "LEAST_OUTSTANDING_REQUESTS":
                instance = min(instances, key=lambda candidate: candidate.in_flight)
            else:
                instance = random.choice(instances)  # noqa: S311 - the same
            instance.reserve()
            return instance

    def _grow(self, variant: Variant, interrupt: Callable[[], None]) -> None:
        with self._growing:
            missing = variant.desired - len(variant.instances)
            if missing <= 0:
                return
            with ThreadPoolExecutor(min(missing, _PARALLEL_LAUNCHES), "launch") as pool:
                launches = [
                    pool.submit(self._launcher.launch, self.endpoint, variant.spec, interrupt) for _ in range(missing)
                ]
            failures = [failure for launch in launches if (failure := launch.exception())]
            started = [launch.result() for launch in launches if launch.exception() is None]
            if failures:
                self._end_instances(started)
                raise failures[0]
            with self._lock:
                variant.instances += started

    def _end_instances(self, instances: Sequence[Instance]) -> None:
        with self._lock:
            for instance in instances:
                instance.healthy = False
        if instances:
            with ThreadPoolExecutor(len(instances), "end") as pool:
                list(pool.map(self._launcher.end, instances))

    def _watch(self) -> None:
        polls = 0
        while not self._ended.wait(CRASH_POLL_S):
            polls += 1
            for variant in self.variants.values():
                lost = self._remove_lost(variant, ping=polls % PING_EVERY_POLLS == 0)
                self._make_whole(variant)
                self._end_instances(lost)

    def _remove_lost(self, variant: Variant, *, ping: bool) -> list[Instance]:
        lost = [instance for instance in list(variant.instances) if _is_lost(variant, instance, ping=ping)]
        with self._lock:
            for instance in lost:
                logger.warning("instance %s of endpoint %s is lost and will be replaced", instance.id, self.endpoint)
                instance.healthy = False
                if instance in variant.instances:
                    variant.instances.remove(instance)
        return lost

    def _make_whole(self, variant: Variant) -> None:
        try:
            self._grow(variant, self._raise_if_ended)
        except FleetEndedError:
            return
        except LaunchError as error:
            logger.warning("a replacement for endpoint %s did not start: %s", self.endpoint, error)
            self._ended.wait(RELAUNCH_DELAY_S)

    def _raise_if_ended(self) -> None:
        if self._ended.is_set():
            raise FleetEndedError(self.config_name)


def _is_lost(variant: Variant, instance: Instance, *, ping: bool) -> bool:
    if instance.process.poll() is not None:
        return True
    if ping:
        missed = 0 if instance.ping() else variant.missed_pings.get(instance.id, 0) + 1
        variant.missed_pings[instance.id] = missed
    return variant.missed_pings.get(instance.id, 0) >= UNHEALTHY_AFTER_PINGS
