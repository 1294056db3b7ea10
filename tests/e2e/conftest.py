import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from slipway.packaging.example_model import default_cache, prepare_example_model
from tests.e2e.running import Running


@pytest.fixture(scope="session")
def slipway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One running product for the whole story; Ctrl-C must end it cleanly, with nothing left behind."""
    running = Running.start(tmp_path_factory.mktemp("slipway"))
    family = psutil.Process(running.process.pid).children(recursive=True)
    yield running
    family += psutil.Process(running.process.pid).children(recursive=True)
    assert running.stop() == 0, running.log.read_text()[-3000:]
    left = [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert not left, f"Ctrl-C left {left} running"


@pytest.fixture(scope="session")
def example_model() -> Path:
    return prepare_example_model(default_cache(), print)


@pytest.fixture
def another_model(example_model: Path, tmp_path: Path) -> Path:
    """An artifact that nobody has dropped before, which answers word for word as the example does.

    The same weights, and a template with a comment in it: no prompt has it, so no answer hangs on this test's name.
    """
    copy = tmp_path / f"SmolLM2-{tmp_path.name}"
    shutil.copytree(example_model, copy, copy_function=os.link)
    template = copy / "chat_template.jinja"
    words = template.read_text()
    template.unlink()
    template.write_text(words + f"{{# {tmp_path.name} #}}")
    return copy
