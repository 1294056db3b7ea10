"""Brings instances into service and ends them: capacity, model data, container, first healthy ping."""

import itertools
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from local.faults import FleetFailure, FleetFault
from local.images import ImageError, RunSpec
from local.sagemaker.behaviour import Behaviour
from local.sagemaker.capacity import Capacity, InsufficientCapacityError
from local.sagemaker.errors import AwsError
from local.sagemaker.fleets import model_data
from local.sagemaker.fleets.container_logs import ContainerLogs
from local.sagemaker.fleets.instance import Instance, Limits, VariantSpec, place_of
from local.sagemaker.fleets.model_data import ModelDataError
from local.world import REGION, World

POLL_S = 0.05
# A container that exits is started again, as SageMaker does; a wrong one should not keep a laptop busy for minutes.
_MAX_STARTS = 3
_HURRIED_KILL_S = 5.0

Interrupt = Callable[[], None]
"""Called often while work lasts; it raises to give the work up, and nothing stays behind."""


class ImageSource(Protocol):
    def run_spec(self, image_uri: str) -> RunSpec: ...


class LaunchError(Exception):
    """An instance cannot come into service; the message is what FailureReason will say."""


class Launcher:
    """Brings instances into service and ends them.

    Args:
        capacity: what AWS has to give; every instance is taken from it and comes back to it.
    """

    def __init__(
        self, world: World, images: ImageSource, capacity: Capacity, limits: Limits, behaviour: Behaviour
    ) -> None:
        self.world = world
        self.limits = limits
        self._images = images
        self._capacity = capacity
        self._behaviour = behaviour
        self._logs = ContainerLogs(world)
        self._hurry = threading.Event()

    def hurry(self) -> None:
        """From now on, ending an instance waits for no request and kills after a few seconds: everything stops."""
        self._hurry.set()

    def stop(self) -> None:
        """Write what containers said last into CloudWatch Logs, and stop writing."""
        self._logs.stop()

    def provision(
        self, endpoint: str, config_name: str, variant: VariantSpec, count: int, interrupt: Interrupt
    ) -> list[VariantSpec]:
        """Take instances from AWS and wait until they are up: all, or none.

        Returns:
            What each of them runs: the variant, or one of its pools. `launch` takes one over.

        Raises:
            LaunchError: AWS has not so many.
            Exception: whatever `interrupt` raised.
        """
        choices = variant.pools or (variant,)
        taken: list[VariantSpec] = []
        try:
            for _ in range(count):
                position = self._capacity.take_first(
                    [choice.instance_type for choice in choices],
                    clock=self.world.clock,
                    within_s=variant.provision_timeout_s,
                    interrupt=interrupt,
                    place=place_of(endpoint, config_name, variant),
                )
                taken.append(choices[position])
            self._wait_until_up(interrupt)
        except BaseException as error:
            for choice in taken:
                self._capacity.give_back(choice.instance_type)
            if isinstance(error, InsufficientCapacityError):
                raise LaunchError(str(error)) from error
            raise
        return taken

    def _wait_until_up(self, interrupt: Interrupt) -> None:
        until = self.world.clock.time() + self.limits.provision_s
        while (left := until - self.world.clock.time()) > 0:
            interrupt()
            time.sleep(min(self.world.clock.real_seconds(left), POLL_S))

    def launch(self, endpoint: str, config_name: str, variant: VariantSpec, interrupt: Interrupt) -> Instance:
        """Lay out the model data, start the container and wait for its first healthy ping.

        Args:
            variant: what `provision` answered; if the launch fails, it goes back to AWS.

        Raises:
            LaunchError: the data, the image or the container's health stand in the way.
            Exception: whatever `interrupt` raised.
        """
        folder = self.world.state_dir / "instances" / f"i-{uuid.uuid4().hex[:17]}"
        folder.mkdir(parents=True)
        try:
            self._fetch_model_data(variant, folder, interrupt)
            return self._start_container(endpoint, config_name, variant, folder, interrupt)
        except BaseException:
            model_data.remove(folder)
            self._capacity.give_back(variant.instance_type)
            raise

    def _fetch_model_data(self, variant: VariantSpec, folder: Path, interrupt: Interrupt) -> None:
        if variant.data is None:
            (folder / "model").mkdir()
            return
        scaled_s = self.world.clock.real_seconds(variant.download_timeout_s)
        deadline = time.monotonic() + max(scaled_s, self.limits.download_at_least_s)

        def check() -> None:
            interrupt()
            if time.monotonic() > deadline:
                limit = f"{variant.download_timeout_s:g} s of ModelDataDownloadTimeoutInSeconds"
                raise ModelDataError(f"the download took longer than the {limit}")

        try:
            model_data.fetch(variant.role.client("s3"), variant.data, folder / "model", check)
        except (ModelDataError, AwsError) as error:
            raise LaunchError(
                f'Failed to download model data for container "container_1" from URL: "{variant.data.uri}". '
                "Please ensure that there is an object located at the URL and that the role passed to CreateModel has "
                f"permissions to download the model. ({error})"
            ) from error

    def _start_container(
        self, endpoint: str, config_name: str, variant: VariantSpec, folder: Path, interrupt: Interrupt
    ) -> Instance:
        """Start the container, again when it exits early, until it is healthy or its time is up."""
        scaled_s = self.world.clock.real_seconds(variant.startup_timeout_s)
        deadline = time.monotonic() + max(scaled_s, self.limits.startup_at_least_s)
        fault = self._start_fault(endpoint, config_name, variant)
        for attempt in itertools.count(1):
            instance = self._spawn(endpoint, config_name, variant, folder)
            if fault is FleetFailure.FAILS_TO_START:
                self.world.processes.stop(instance.process, 0)
            try:
                if self._becomes_healthy(instance, deadline, interrupt, deaf=fault is FleetFailure.NEVER_HEALTHY):
                    return instance
            except BaseException:
                self._stop_container(instance)
                raise
            exit_code = self._stop_container(instance)
            if attempt == _MAX_STARTS or time.monotonic() >= deadline:
                raise LaunchError(
                    f"The primary container for production variant {variant.name} did not pass the ping health check. "
                    f"Please check CloudWatch logs for this endpoint. ({attempt} start(s), last exit code {exit_code}, "
                    f"limit {variant.startup_timeout_s:g} s)"
                )
        raise AssertionError

    def _start_fault(self, endpoint: str, config_name: str, variant: VariantSpec) -> FleetFailure | None:
        fault = self.world.faults.strike(
            FleetFault,
            FleetFailure.FAILS_TO_START,
            FleetFailure.NEVER_HEALTHY,
            instance_type=variant.instance_type,
            **place_of(endpoint, config_name, variant),
        )
        return fault.failure if fault else None

    def _spawn(self, endpoint: str, config_name: str, variant: VariantSpec, folder: Path) -> Instance:
        try:
            spec = self._images.run_spec(variant.resolved_image)
        except ImageError as error:
            raise LaunchError(f"The image {variant.image} cannot be pulled: {error}") from error
        log = self.world.state_dir / "logs" / "endpoints" / endpoint / f"{variant.name}-{folder.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        env = _environment(spec, variant, folder, port)
        try:
            process = self.world.processes.start(
                [*spec.argv, "serve", "--host", "127.0.0.1"], env=env, cwd=spec.cwd, log=log
            )
        except OSError as error:
            raise LaunchError(f"The container of {variant.image} cannot be started: {error}") from error
        self._logs.follow(log, endpoint, f"{variant.name}/{folder.name}")
        return Instance(folder.name, endpoint, config_name, variant, folder, port, process)

    @staticmethod
    def _becomes_healthy(instance: Instance, deadline: float, interrupt: Interrupt, *, deaf: bool) -> bool:
        while instance.process.poll() is None and time.monotonic() < deadline:
            interrupt()
            if not deaf and instance.ping():
                instance.healthy = True
                return True
            time.sleep(POLL_S)
        return False

    def end(self, instance: Instance, *, lost: bool = False) -> None:
        """SIGTERM, SIGKILL 30 s later, and delete the folder.

        Args:
            lost: nobody waits for its requests in flight; others may finish first where AWS lets them.
        """
        instance.healthy = False
        if not lost and self._behaviour.requests_finish_before_sigterm:
            self._let_finish(instance)
        self._stop_container(instance)
        model_data.remove(instance.folder)
        self._capacity.give_back(instance.variant.instance_type)

    def _let_finish(self, instance: Instance) -> None:
        deadline = time.monotonic() + self.limits.drain_s
        while (
            instance.process.poll() is None
            and not instance.wait_until_idle(POLL_S)
            and time.monotonic() < deadline
            and not self._hurry.is_set()
        ):
            pass

    def _stop_container(self, instance: Instance) -> int:
        grace_s = self.limits.kill_after_s
        return self.world.processes.stop(
            instance.process, min(grace_s, _HURRIED_KILL_S) if self._hurry.is_set() else grace_s
        )


def _environment(spec: RunSpec, variant: VariantSpec, folder: Path, port: int) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "AWS_REGION": REGION,
        **spec.env,
        **variant.environment,
        "SAGEMAKER_BIND_TO_PORT": str(port),
        # There is no mount namespace here: this names the folder that a real instance mounts at /opt/ml/model.
        "SLIPWAY_MODEL_DIR": str(folder / "model"),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
