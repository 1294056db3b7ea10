"""One instance of a variant: a process of the image, its model data and its port."""

import http.client
import itertools
import os
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local.images import ImageError, RunSpec
from local.sagemaker.errors import AwsError
from local.sagemaker.execution_role import ExecutionRole
from local.sagemaker.fleets import model_data
from local.sagemaker.fleets.model_data import ModelData, ModelDataError
from local.world import REGION, World

PING_TIMEOUT_S = 2.0
POLL_S = 0.05


class ImageSource(Protocol):
    def run_spec(self, image_uri: str) -> RunSpec: ...


class LaunchError(Exception):
    """An instance cannot come into service; the message is what FailureReason will say."""


@dataclass(frozen=True)
class Limits:
    """Bounds on work that takes real time however fast the clock of the embedded AWS runs; all in real seconds."""

    invocation_s: float = 60.0
    stream_s: float = 480.0
    startup_at_least_s: float = 30.0
    """A container loads its model no faster when the clock does, so its start-up limit never falls below this."""
    drain_s: float = 60.0
    """How long an instance that leaves may finish what it has in flight before SIGTERM."""
    kill_after_s: float = 30.0
    """From SIGTERM to SIGKILL."""


@dataclass(frozen=True)
class VariantSpec:
    """What every instance of one production variant runs; read once from the endpoint config and its model."""

    name: str
    model_name: str
    image: str
    resolved_image: str
    role: ExecutionRole
    data: ModelData | None
    environment: Mapping[str, str]
    instance_type: str
    instance_count: int
    weight: float
    startup_timeout_s: float
    routing: str
    """RANDOM or LEAST_OUTSTANDING_REQUESTS."""


@dataclass
class Instance:
    id: str
    variant: VariantSpec
    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    healthy: bool = False
    in_flight: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def reserve(self) -> None:
        """Count one more request in flight; `release` it when it is over, or the instance never becomes idle."""
        with self._changed:
            self.in_flight += 1

    def release(self) -> None:
        with self._changed:
            self.in_flight -= 1
            self._changed.notify_all()

    def wait_until_idle(self, timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.in_flight == 0, timeout_s)

    def ping(self) -> bool:
        """Whether GET /ping answers 200 within 2 real seconds."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PING_TIMEOUT_S)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Launcher:
    """Brings instances into service and ends them."""

    def __init__(self, world: World, images: ImageSource, limits: Limits) -> None:
        self._world = world
        self._images = images
        self._limits = limits
        self._hurry = threading.Event()

    def hurry(self) -> None:
        """From now on, ending an instance waits for no request and kills after a few seconds: everything stops."""
        self._hurry.set()

    def launch(self, endpoint: str, variant: VariantSpec, interrupt: Callable[[], None]) -> Instance:
        """Lay out the model data, start the container and wait for its first healthy ping.

        Args:
            interrupt: called often; it raises to give the start up, and nothing stays behind.

        Raises:
            LaunchError: the data, the image or the container's health stand in the way.
        """
        folder = self._world.state_dir / "instances" / f"i-{uuid.uuid4().hex[:17]}"
        folder.mkdir(parents=True)
        try:
            self._fetch_model_data(variant, folder)
            return self._start_container(endpoint, variant, folder, interrupt)
        except BaseException:
            model_data.remove(folder)
            raise

    def _fetch_model_data(self, variant: VariantSpec, folder: Path) -> None:
        if variant.data is None:
            (folder / "model").mkdir()
            return
        try:
            model_data.fetch(variant.role.client("s3"), variant.data, folder / "model")
        except (ModelDataError, AwsError) as error:
            raise LaunchError(
                f'Failed to download model data for container "container_1" from URL: "{variant.data.uri}". '
                "Please ensure that there is an object located at the URL and that the role passed to CreateModel has "
                f"permissions to download the model. ({error})"
            ) from error

    def _start_container(
        self, endpoint: str, variant: VariantSpec, folder: Path, interrupt: Callable[[], None]
    ) -> Instance:
        """Start the container, again when it exits early, until it is healthy or its time is up."""
        scaled_s = self._world.clock.real_seconds(variant.startup_timeout_s)
        deadline = time.monotonic() + max(scaled_s, self._limits.startup_at_least_s)
        for attempt in itertools.count(1):
            instance = self._spawn(endpoint, variant, folder)
            try:
                if self._becomes_healthy(instance, deadline, interrupt):
                    return instance
            except BaseException:
                self._world.processes.stop(instance.process, self._limits.kill_after_s)
                raise
            exit_code = self._world.processes.stop(instance.process, self._limits.kill_after_s)
            if attempt == _MAX_STARTS or time.monotonic() >= deadline:
                raise LaunchError(
                    f"The primary container for production variant {variant.name} did not pass the ping health check. "
                    f"Please check CloudWatch logs for this endpoint. ({attempt} start(s), last exit code {exit_code}, "
                    f"limit {variant.startup_timeout_s:g} s)"
                )
        raise AssertionError

    def _spawn(self, endpoint: str, variant: VariantSpec, folder: Path) -> Instance:
        try:
            spec = self._images.run_spec(variant.resolved_image)
        except ImageError as error:
            raise LaunchError(f"The image {variant.image} cannot be pulled: {error}") from error
        log = self._world.state_dir / "logs" / "endpoints" / endpoint / f"{variant.name}-{folder.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "AWS_REGION": REGION,
            **spec.env,
            **variant.environment,
            "SAGEMAKER_BIND_TO_PORT": str(port),
            # There is no mount namespace here: this names the folder that a real instance mounts at /opt/ml/model.
            "SLIPWAY_MODEL_DIR": str(folder / "model"),
        }
        try:
            process = self._world.processes.start(
                [*spec.argv, "serve", "--host", "127.0.0.1"], env=env, cwd=spec.cwd, log=log
            )
        except OSError as error:
            raise LaunchError(f"The container of {variant.image} cannot be started: {error}") from error
        return Instance(folder.name, variant, folder, port, process)

    @staticmethod
    def _becomes_healthy(instance: Instance, deadline: float, interrupt: Callable[[], None]) -> bool:
        while instance.process.poll() is None and time.monotonic() < deadline:
            interrupt()
            if instance.ping():
                instance.healthy = True
                return True
            time.sleep(POLL_S)
        return False

    def end(self, instance: Instance) -> None:
        """Let requests in flight finish, then SIGTERM, SIGKILL 30 s later, and delete the folder."""
        instance.healthy = False
        deadline = time.monotonic() + self._limits.drain_s
        while (
            instance.process.poll() is None
            and not instance.wait_until_idle(POLL_S)
            and time.monotonic() < deadline
            and not self._hurry.is_set()
        ):
            pass
        kill_after_s = self._limits.kill_after_s
        self._world.processes.stop(instance.process, min(kill_after_s, 5.0) if self._hurry.is_set() else kill_after_s)
        model_data.remove(instance.folder)


# A container that exits is started again, as SageMaker does; a wrong one should not keep a laptop busy for minutes.
_MAX_STARTS = 3


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
