"""The release machine: what starts, finds and answers its executions."""

import os
from functools import cache

from release.adapters.machine import StepFunctionsMachine
from release.adapters.waiters import StepFunctionsWaiters
from release.wiring import clients


@cache
def machine() -> StepFunctionsMachine:
    return StepFunctionsMachine(clients.client("stepfunctions"), machine_arn=os.environ["RELEASE_MACHINE_ARN"])


@cache
def waiters() -> StepFunctionsWaiters:
    return StepFunctionsWaiters(clients.client("stepfunctions"))
