"""What the engine's deciding half may know."""

import subprocess
import sys
from pathlib import Path

import pytest

IMAGE = Path(__file__).parents[3] / "inference_image"


def modules_after(imported: str) -> set[str]:
    said = subprocess.run(
        [sys.executable, "-c", f"import sys, {imported}; print(*sys.modules)"],
        env={"PYTHONPATH": str(IMAGE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in said.stdout.split()}


@pytest.mark.parametrize("module", ["engine.policy", "engine.blocks", "engine.device", "engine.loop"])
def test_what_decides_knows_no_tensor(module: str) -> None:
    assert modules_after(module).isdisjoint({"torch", "numpy", "transformers", "bitsandbytes"})


def test_the_engine_serves_without_transformers() -> None:
    assert modules_after("engine.load").isdisjoint({"transformers", "huggingface_hub", "bitsandbytes"})
    assert "torch" in modules_after("engine.load"), "the test sees what is imported"
