"""The embedded AWS as one process: builds its parts in order, serves until told to stop, ends everything it started."""

import logging
import os
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from local import gateway, moto_patches
from local.clock import Clock
from local.event_delivery import EventDelivery
from local.lambda_runtime import LambdaRuntime
from local.moto_patches.eventbridge import rules_of
from local.moto_patches.lambda_functions import CloudWatchLogs
from local.world import World

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    port: int = 4566
    """0 takes any free port."""
    time_scale: float = 1.0
    """AWS seconds per real second."""
    state_dir: Path | None = None
    """Kept after the end if given; a temporary folder is removed."""


class Supervisor:
    """One embedded AWS.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, settings: Settings) -> None:
        self._listener = gateway.bind(settings.port)
        self._temporary = settings.state_dir is None
        state_dir = settings.state_dir or Path(tempfile.mkdtemp(prefix="local-aws-"))
        state_dir.mkdir(parents=True, exist_ok=True)
        self.world = World(port=self._listener.getsockname()[1], state_dir=state_dir, clock=Clock(settings.time_scale))
        os.environ["MOTO_PORT"] = str(self.world.port)
        self.delivery = EventDelivery(self.world, rules_of)
        self.functions = LambdaRuntime(self.world, CloudWatchLogs(), self.delivery.send)
        self._patches = moto_patches.install(self.world, self.delivery, self.functions)
        self._server = gateway.server_on(self._listener, gateway.Gateway(_no_sagemaker))

    def start(self) -> None:
        """Serve from now on, in threads of this process."""
        threading.Thread(target=self._server.serve_forever, name="gateway", daemon=True).start()

    def stop(self) -> None:
        """End every child process, stop serving and remove the scratch folder."""
        self.delivery.stop()
        self.functions.stop()
        self._server.shutdown()
        self._server.server_close()
        self._listener.close()
        self.world.processes.stop_all()
        self._patches.undo()
        if self._temporary:
            shutil.rmtree(self.world.state_dir, ignore_errors=True)


def _no_sagemaker(_: gateway.Environ, start_response: gateway.StartResponse) -> list[bytes]:
    body = b'{"__type": "ValidationException", "message": "local AWS does not emulate SageMaker"}'
    start_response(
        "400 Bad Request", [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))]
    )
    return [body]
