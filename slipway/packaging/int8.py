"""8-bit weights in the form of compressed-tensors (`int-quantized`), made by the inference image's own quantiser.

The image quantises plain weights whenever it loads them on a CPU; its quantiser writes the same numbers down once, so
that an artifact made here loads without that work and answers with the same tokens. Source of the form:
https://github.com/vllm-project/compressed-tensors (W8A8: a scale for each output, activations scaled per token).
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from release.domain.examination.architecture import Expected
from slipway.packaging.errors import QuantiserFailedError
from slipway.packaging.tensors import Shard, TensorSource, parameters

_IMAGE = Path(__file__).resolve().parents[2] / "inference_image"
_SCALE_BYTES = 4

CONFIG: dict[str, Any] = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False},
            "input_activations": {
                "num_bits": 8,
                "type": "int",
                "symmetric": True,
                "strategy": "token",
                "dynamic": True,
            },
        }
    },
    "ignore": [],
    "kv_cache_scheme": None,
}
"""`quantization_config` of config.json."""


def stored_bytes(source: TensorSource, one: Expected) -> int:
    """Matrices in a byte for each weight, norms and biases in float32, the embedding as it is."""
    if one.linear:
        return parameters(one) + _SCALE_BYTES * one.shape[0]
    return source.bytes_of(one.name) if len(one.shape) > 1 else _SCALE_BYTES * parameters(one)


def quantise(source: Path, target: Path, shards: Sequence[Shard], finished: Callable[[str], None]) -> None:
    """Write the shards that `target` lacks.

    Args:
        source: a folder with plain weights.
        finished: told the path of each shard that is there.

    Raises:
        QuantiserFailedError: with the quantiser's last words.
    """
    plan = [{"path": shard.path, "tensors": [one.name for one in shard.tensors]} for shard in shards]
    with subprocess.Popen(
        [sys.executable, "-m", "engine.quantise", str(source.resolve()), str(target.resolve())],
        cwd=_IMAGE,
        env={**os.environ, "PYTHONPATH": str(_IMAGE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None and child.stdout is not None and child.stderr is not None  # noqa: S101, PT018
        child.stdin.write(json.dumps(plan))
        child.stdin.close()
        for line in child.stdout:
            finished(line.strip())
        said = child.stderr.read().strip().splitlines()
    if child.returncode:
        raise QuantiserFailedError(
            f"the quantiser ended with code {child.returncode}: {said[-1] if said else 'no words'}; "
            "run the same command again, which goes on from what is finished"
        )
