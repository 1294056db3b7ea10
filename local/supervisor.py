"""The embedded AWS as one process: builds its parts in order, serves until told to stop, ends everything it started."""

import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from moto.moto_api._internal.models import moto_api_backend

from local import gateway, moto_patches
from local.alarms import AlarmEvaluator
from local.autoscaling.service import AutoScaling
from local.clock import Clock
from local.ecs import EcsServices
from local.event_delivery import EventDelivery
from local.fault_admin import FaultAdmin
from local.faulty_calls import FaultyCalls
from local.iam import Iam
from local.images import ImageStore
from local.lambda_runtime import LambdaRuntime
from local.moto_patches import application_autoscaling, keeping, load_balancers
from local.moto_patches import iam as iam_patches
from local.moto_patches.event_sources import waiting_mappings
from local.moto_patches.eventbridge import rules_of
from local.moto_patches.lambda_functions import CloudWatchLogs, invoke_function
from local.moto_patches.step_functions import stop_executions
from local.queue_polling import QueuePolling
from local.sagemaker import SageMakerTwin
from local.sagemaker.control.quotas import Quotas
from local.schedules import Schedules
from local.service_metrics import QueueMetrics
from local.service_quotas import ServiceQuotas
from local.state import KeptState
from local.state.moto_state import MotoState
from local.world import World


@dataclass(frozen=True)
class Settings:
    port: int = 4566
    """0 takes any free port."""
    time_scale: float = 1.0
    """AWS seconds per real second."""
    state_dir: Path | None = None
    """Kept after the end if given; a temporary folder is removed."""
    ui_port: int = 7860
    """Where the template's one load balancer answers."""
    quotas: Mapping[str, float] = field(default_factory=dict)
    """Quotas of SageMaker other than the defaults, by the names of `local.sagemaker.control.quotas`."""
    capacity: Mapping[str, int] = field(default_factory=dict)
    """How many instances of a type there are at all; a type that is not named has no end."""
    keep_state: bool = False
    """Go on where the last run in `state_dir` stopped, and let the next one go on where this one stops."""


class Supervisor:
    """One embedded AWS.

    Raises:
        OSError: the port is taken.
        StateError: the state that is kept in the folder cannot be read here.
        UnknownQuotaError: the settings name a quota that SageMaker does not have.
    """

    def __init__(self, settings: Settings) -> None:
        clock = Clock(settings.time_scale)
        quotas = Quotas(clock.time, settings.quotas)
        self._listener = gateway.bind(settings.port)
        self._temporary = settings.state_dir is None
        state_dir = settings.state_dir or Path(tempfile.mkdtemp(prefix="local-aws-"))
        state_dir.mkdir(parents=True, exist_ok=True)
        self.world = World(port=self._listener.getsockname()[1], state_dir=state_dir.resolve(), clock=clock)
        iam = Iam(self.world)
        self._delivery = EventDelivery(self.world, rules_of, iam.authorize_service)
        self._schedules = Schedules(self.world, self._delivery, rules_of)
        self._functions = LambdaRuntime(self.world, CloudWatchLogs(), self._delivery.targets.send)
        self._polling = QueuePolling(
            self.world, waiting_mappings, partial(invoke_function, self._functions), self._delivery.targets.session
        )
        self._patches = moto_patches.install(self.world, self._delivery, self._functions, self._schedules.begin)
        self._patches.set_environment("MOTO_PORT", str(self.world.port))  # moto's own calls to itself
        images = ImageStore(self.world)
        self._services = EcsServices(self.world, images, settings.ui_port)
        load_balancers.install(self._patches, settings.ui_port)
        self._scaling = AutoScaling(self.world)
        application_autoscaling.install(self._patches, self._scaling)
        scale = self._scaling.scaler.on_alarm
        self._alarms = AlarmEvaluator(self.world, self._delivery.emit, scale, iam.authorize_service)
        self._alarms.install(self._patches)
        self._queues = QueueMetrics(self.world.meter, self.world.clock.real_seconds, self.world.clock.scale)
        iam_patches.install(self._patches, iam)
        self._sagemaker = SageMakerTwin(self.world, images, self._delivery.emit, iam.authorize, quotas=quotas)
        for instance_type, count in settings.capacity.items():
            self._sagemaker.capacity.limit(instance_type, count)

        def caller(access_key: str) -> str:
            return iam.caller(access_key).arn

        services = ServiceQuotas(quotas, self.world.clock, iam.authorize, caller, gateway.Gateway(self._sagemaker.wsgi))
        self.world.parts["service-quotas"] = services
        faulty = FaultyCalls(self.world, services, caller)
        self._kept = self._restored() if settings.keep_state else None
        self._server = gateway.server_on(self._listener, FaultAdmin(self.world.faults, faulty))

    def start(self) -> None:
        """Serve from now on, in threads of this process."""
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="gateway", daemon=True).start()
        self._sagemaker.resume()
        self._schedules.start()
        self._polling.start()
        self._services.start()
        self._alarms.start()
        self._scaling.scaler.start()
        self._queues.start()

    def stop(self) -> None:
        """End every child process, stop serving, forget all state and remove the scratch folder.

        Raises:
            StateError: the state that was to be kept could not be written.
        """
        self._schedules.stop()
        self._polling.stop()
        self._delivery.stop()
        stop_executions()
        self._alarms.stop()
        self._scaling.scaler.stop()
        self._queues.stop()
        self._services.stop()
        self._sagemaker.stop()
        self._functions.stop()
        gateway.close(self._server)
        self._listener.close()
        stop_executions()  # what the last requests and functions started
        self.world.processes.stop_all()
        try:
            if self._kept:
                self._kept.save(self.world.parts)
        finally:
            moto_api_backend.reset()
            self._patches.undo()
            if self._temporary:
                shutil.rmtree(self.world.state_dir, ignore_errors=True)

    def _restored(self) -> KeptState:
        """What an earlier run in the same folder left, in its place."""
        self.world.parts |= {"clock": self.world.clock, "moto": MotoState()}
        keeping.install(self._patches)
        kept = KeptState(self.world.state_dir / "kept", {"world": self.world, "clock": self.world.clock})
        kept.restore(self.world.parts)
        return kept
