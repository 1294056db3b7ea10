"""Breaks containers from outside, as a machine or a kernel would: they are told nothing and need not cooperate."""

import contextlib
import os
import signal

from local.faults import FaultBoard, FleetFailure, FleetFault
from local.sagemaker.fleets.instance import Instance


def hang_if_told(faults: FaultBoard, instance: Instance) -> bool:
    """Where a fault says so, stop the container for good: its socket takes connections and never answers."""
    if faults.strike(FleetFault, FleetFailure.HANGS, **instance.place) is None:
        return False
    freeze(instance)
    return True


def freeze(instance: Instance) -> None:
    _signal(instance, signal.SIGSTOP)


def kill(instance: Instance) -> None:
    """End the container without a word, in the middle of whatever it does."""
    _signal(instance, signal.SIGKILL)


def _signal(instance: Instance, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it is gone already
        os.killpg(instance.process.pid, number)
