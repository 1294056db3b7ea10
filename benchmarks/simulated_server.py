"""The real server over the simulated engine: `simulated_server.py [--host HOST]`.

`SIMULATED_ADMISSION=unbounded` takes everybody in, first come, first served: what a server without admission does.
"""

import os
import sys
from pathlib import Path
from typing import Any

from sanic import Sanic

from server.__main__ import serve
from server.admission import Admission
from server.app import create_app
from server.attributes import Limits
from server.engine_process import EngineProcess
from server.forecast import Forecast, Ticket
from server.settings import Settings

_ENGINE = Path(__file__).with_name("simulated_engine.py")


class Unbounded(Admission):
    """No bound and no forecast."""

    def __init__(self, slots: int) -> None:
        super().__init__(sys.maxsize, Forecast(slots))

    def _require_time(self, tickets: list[Ticket], limits: Limits) -> None:
        pass


def simulated_app(settings: Settings) -> Sanic[Any, Any]:
    unbounded = os.environ.get("SIMULATED_ADMISSION") == "unbounded"
    admission = Unbounded(settings.max_concurrency) if unbounded else None
    return create_app(settings, EngineProcess(settings, (str(_ENGINE),)), admission)


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], simulated_app))
