"""A moto server in this process with the stack side's patches: it needs no other part of the embedded AWS."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer

from local.clock import Clock
from local.moto_patches import cloudformation
from local.moto_patches.patching import Patches
from local.world import World


class SkippingClock(Clock):
    """A clock that a test may put forward."""

    skipped_s = 0.0

    def time(self) -> float:
        return super().time() + self.skipped_s


@pytest.fixture
def clock() -> SkippingClock:
    return SkippingClock(60)


@pytest.fixture
def patches() -> Iterator[Patches]:
    patches = Patches()
    yield patches
    patches.undo()


@dataclass
class Address:
    """One moto server for all tests of this folder, and clients of it, which cost 50 ms each."""

    port: int
    clients: dict[tuple[str, str, bool], Any] = field(default_factory=dict)


@pytest.fixture(scope="package")
def address() -> Iterator[Address]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield Address(server.get_host_and_port()[1])
    server.stop()


@pytest.fixture
def world(tmp_path: Path, patches: Patches, clock: SkippingClock, address: Address) -> Iterator[World]:
    # moto keeps its state in the process, whatever server serves it.
    moto_api_backend.reset()
    world = World(port=address.port, state_dir=tmp_path / "state", clock=clock, _clients=address.clients)
    cloudformation.install(patches, world)
    yield world
    world.processes.stop_all()
