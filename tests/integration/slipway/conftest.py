"""The tiny model that packaging is tried on."""

import shutil
from pathlib import Path

import pytest

from tests.integration.inference.tiny_model import save_tiny_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def model(tiny: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    copy = tmp_path / "tiny"
    shutil.copytree(tiny, copy)
    return copy
