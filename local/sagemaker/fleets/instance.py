"""One instance of a variant: what it runs, where it listens, what it has in flight."""

import http.client
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from local.sagemaker.execution_role import ExecutionRole
from local.sagemaker.fleets.model_data import ModelData

PING_TIMEOUT_S = 2.0
"""Real seconds. Source: "How Containers Serve Requests" of SageMaker's guide."""


@dataclass(frozen=True)
class Limits:
    """Bounds on work that takes real time however fast the clock of the embedded AWS runs; in real seconds if not
    said otherwise."""

    invocation_s: float = 60.0
    stream_s: float = 480.0
    startup_at_least_s: float = 30.0
    """A container loads its model no faster when the clock does, so its start-up limit never falls below this."""
    download_at_least_s: float = 30.0
    """The same for ModelDataDownloadTimeoutInSeconds."""
    provision_s: float = 0.0
    """AWS seconds from the moment that AWS has the instances until they can download anything."""
    drain_s: float = 60.0
    """How long an instance that leaves may finish what it has in flight before SIGTERM."""
    kill_after_s: float = 30.0
    """From SIGTERM to SIGKILL."""
    ping_every_s: float = 5.0
    """Between two health checks of an instance in service; the fifth that fails in a row has it replaced."""


@dataclass(frozen=True)
class VariantSpec:
    """What every instance of one production variant runs; read once from the endpoint config and its model."""

    name: str
    model_name: str
    image: str
    resolved_image: str
    resolved_at: datetime
    """When the image's name was resolved to the digest."""
    role: ExecutionRole
    data: ModelData | None
    environment: Mapping[str, str]
    instance_type: str
    instance_count: int
    weight: float
    startup_timeout_s: float
    routing: str | None
    """RANDOM or LEAST_OUTSTANDING_REQUESTS; None where the config does not say, which means RANDOM."""
    download_timeout_s: float = 3600.0
    """AWS seconds, ModelDataDownloadTimeoutInSeconds. The default is the API's highest value: AWS names none."""
    provision_timeout_s: float = 0.0
    """AWS seconds, VariantInstanceProvisionTimeoutInSeconds; 0 asks once for instances."""
    pools: tuple["VariantSpec", ...] = ()
    """What an instance of each instance pool runs, the best pool first; empty for a variant without pools."""


@dataclass(eq=False)
class Instance:
    id: str
    endpoint: str
    config_name: str
    variant: VariantSpec
    """What it runs: the variant itself, or the pool that the instance was taken from."""
    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    healthy: bool = False
    missed_pings: int = 0
    in_flight: int = 0
    peak: int = 0
    """The most that was in flight at once since `take_peak`."""
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def place(self) -> dict[str, str]:
        """Where it stands, in the words of `FleetFault`."""
        return place_of(self.endpoint, self.config_name, self.variant) | {"instance_type": self.variant.instance_type}

    def reserve(self) -> None:
        """Count one more request in flight; `release` it when it is over, or the instance never becomes idle."""
        with self._changed:
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)

    def release(self) -> None:
        with self._changed:
            self.in_flight -= 1
            self._changed.notify_all()

    def take_peak(self) -> int:
        with self._changed:
            peak, self.peak = self.peak, self.in_flight
            return peak

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


def place_of(endpoint: str, config_name: str, variant: VariantSpec) -> dict[str, str]:
    return {"endpoint": endpoint, "config": config_name, "variant": variant.name}
