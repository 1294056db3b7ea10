"""Step Functions: what CloudWatch hears of executions."""

from typing import Any

from moto.stepfunctions.parser.backend import execution

from local.moto_patches.patching import Patches
from local.service_metrics import execution_ended, execution_started
from local.world import World


def install(patches: Patches, world: World) -> None:
    _count_executions(patches, world)


def _count_executions(patches: Patches, world: World) -> None:
    """moto publishes no metric of an execution."""

    def start(self: Any) -> None:
        execution_started(world.meter, _machine(self))
        start_original(self)

    def reflect(self: execution.BaseExecutionWorkerCommunication) -> None:
        reflect_original(self)
        ended: Any = self.execution
        spent_s = (ended.stop_date - ended.start_date).total_seconds()
        execution_ended(world.meter, _machine(ended), ended.status, spent_s * 1000)

    start_original = patches.replace(execution.Execution, "start", start)
    reflect_original = patches.replace(execution.BaseExecutionWorkerCommunication, "_reflect_execution_status", reflect)


def _machine(of: Any) -> str:
    """The machine's ARN, without the version that ran."""
    return str(getattr(of.state_machine, "source_arn", None) or of.state_machine.arn)
