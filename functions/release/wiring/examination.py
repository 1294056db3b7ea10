"""The examination of an artifact, and its publication."""

from functools import cache

from release.adapters.registry import EcrRegistry
from release.adapters.signers import SsmSigners
from release.flows.examining import Examining
from release.flows.gates import ExamineGate
from release.flows.publishing import Publishing
from release.wiring import clients, records, stores


@cache
def examining() -> ExamineGate:
    from release.adapters.templates import JinjaTemplates  # noqa: PLC0415 - 50 ms of imports, for this function alone

    registry = EcrRegistry(clients.client("ecr"))
    signers = SsmSigners(clients.client("ssm"), stack=clients.stack())
    table, artifacts, schemas = records.table(), stores.artifacts(), stores.schemas()
    return ExamineGate(Examining(table, artifacts, clients.now, JinjaTemplates(), registry, signers, schemas))


@cache
def publishing() -> Publishing:
    return Publishing(records.table(), stores.artifacts(), clients.now)
