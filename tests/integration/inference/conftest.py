"""A tiny model on disk and a server over it, both shared by the whole session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.inference.servers import Server, running
from tests.integration.inference.tiny_model import save_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "log"
    limits = {"SLIPWAY_MAX_CONCURRENCY": "2", "SLIPWAY_MAX_QUEUE": "1"}
    with running("serve", tiny_model, log, **limits) as started:
        started.await_ready()
        yield started
