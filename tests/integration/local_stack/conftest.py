"""A moto server in this process: the stack side of the embedded AWS needs no other part of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer

from local.clock import Clock
from local.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    # moto keeps its state in the process, whatever server serves it.
    moto_api_backend.reset()
    _, port = server.get_host_and_port()
    world = World(port=port, state_dir=tmp_path / "state", clock=Clock(60))
    yield world
    world.processes.stop_all()
    server.stop()
