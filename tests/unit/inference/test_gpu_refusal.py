"""A GPU that the engine cannot use is named, not left idle."""

from pathlib import Path

import pytest
import torch

from artifact.folder import ArtifactRefusedError
from engine.load import load
from engine.protocol import Configure


def test_a_machine_with_a_gpu_is_refused_by_the_name_of_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA A10G")

    with pytest.raises(ArtifactRefusedError, match=r"1 GPU, the first a NVIDIA A10G.*CUDA_VISIBLE_DEVICES"):
        load(Configure(str(tmp_path), 4, None, 64, "auto", None))
