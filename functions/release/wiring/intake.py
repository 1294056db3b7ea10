"""How a rollout begins: by a drop, by a push, by hand."""

import os
from functools import cache

from release.flows.intake import Intake
from release.flows.registering import Registering
from release.wiring import clients, executions, records, registration, stores


@cache
def intake() -> Intake:
    repository = os.environ["INFERENCE_REPOSITORY_URI"]
    registrar, composer = registration.registrar(), registration.composer()
    return Intake(records.table(), stores.artifacts(), executions.machine(), registrar, composer, repository)


@cache
def registering() -> Registering:
    return Registering(
        records.table(), stores.artifacts(), registration.registrar(), registration.composer(), clients.now
    )
