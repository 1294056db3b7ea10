"""How a rollout comes into the release table."""

import json
import os
from functools import cache

from release.flows.registration import Composer, Registrar
from release.wiring import clients, records, settings


@cache
def registrar() -> Registrar:
    return Registrar(records.table(), clients.now)


@cache
def composer() -> Composer:
    return Composer(settings.settings(), json.loads(os.environ["DEFAULT_CONFIG"]), clients.now)
