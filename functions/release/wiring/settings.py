"""What people set for the stack and for its endpoints."""

from functools import cache

from release.adapters.settings import SsmSettings
from release.wiring import clients


@cache
def settings() -> SsmSettings:
    return SsmSettings(clients.client("ssm"), stack=clients.stack())
