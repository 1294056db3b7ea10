"""From a model folder to a runner: how much memory there is, and what fits into it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from artifact.folder import ArtifactRefusedError
from engine.guide import JsonGuides
from engine.model.config import ModelConfig, read_config
from engine.model.decoder import Decoder
from engine.model.linear import int8_is_supported
from engine.model.rows import RowStore
from engine.policy import Budget
from engine.protocol import Configure
from engine.runner import Runner
from engine.text import ModelText

# Memory that is free after the weights are there; the rest is for a step's own tensors and for the neighbours.
_KV_SHARE_OF_RAM = 0.4
# Enough prompt tokens in a step for the matrix units to be busy, few enough for running streams to go on.
_STEP_TOKENS_CPU = 256
_BLOCK_TOKENS = 16


@dataclass(frozen=True)
class Model:
    runner: Runner
    text: ModelText
    guides: JsonGuides
    budget: Budget
    max_model_len: int
    eos: frozenset[int]
    recipe: str
    """How weights are held and computed."""
    engine: str
    """Versions of what computes."""


def load(settings: Configure) -> Model:
    """Load a folder that `check_folder` has passed.

    Raises:
        ArtifactRefusedError: the folder cannot be loaded, not in the precision that the settings ask for, or the
            machine has a GPU that would stand idle.
    """
    _refuse_gpu()
    folder = Path(settings.model_dir)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    config = read_config(folder)
    precision = _precision(settings.dtype, config)
    decoder = Decoder(config, folder, torch.device("cpu"), precision)
    budget = _budget(settings, config, decoder.dtype)
    longest = min(config.context, settings.max_model_len or config.context, budget.kv_tokens)
    text = ModelText(folder, longest)
    eos = _end_tokens(folder, text)
    guides = JsonGuides(text, eos, config.vocabulary)
    store = RowStore(config, decoder.dtype, budget, longest)
    runner = Runner(decoder, store, guides.guide, budget.block_tokens)
    recipe = f"nf4+{precision}" if config.quantised == "four_bit" else precision
    return Model(runner, text, guides, budget, longest, eos, recipe, f"torch {torch.__version__}")


def _refuse_gpu() -> None:
    """Whoever pays for a GPU must not find out from the bill that the CPU served."""
    if torch.cuda.is_available():
        raise ArtifactRefusedError(
            f"this machine has {torch.cuda.device_count()} GPU, the first a {torch.cuda.get_device_name()}, and the "
            "engine computes on CPUs only; serve it on an instance without a GPU, or set CUDA_VISIBLE_DEVICES to "
            "nothing to serve from the CPU all the same"
        )


def _precision(asked: str, config: ModelConfig) -> str:
    if config.quantised == "four_bit":
        # Its linear layers compute in bfloat16 whatever is asked; the rest is small.
        return "float32" if asked in ("auto", "int8") else asked
    if asked == "auto":
        # Without AMX a bfloat16 product is slower than a float32 one on a CPU, and 8-bit ones are far faster.
        return "int8" if int8_is_supported() else "float32"
    if asked == "int8" and not int8_is_supported():
        raise ArtifactRefusedError("int8 needs an x86 processor; set SLIPWAY_DTYPE to float32 or auto")
    return asked


def _budget(settings: Configure, config: ModelConfig, dtype: torch.dtype) -> Budget:
    free = int(psutil.virtual_memory().available * _KV_SHARE_OF_RAM)
    slots, token_bytes = settings.max_concurrency, RowStore.token_bytes(config, dtype)
    # More than every slot's full context is never used.
    most = slots * -(-config.context // _BLOCK_TOKENS)
    blocks = min(most, free // (token_bytes * _BLOCK_TOKENS))
    if blocks < 1:
        need = token_bytes * _BLOCK_TOKENS
        raise ArtifactRefusedError(
            f"{free} bytes are left for keys and values, one block needs {need}; serve it on a larger instance"
        )
    return Budget(slots, blocks, max(_STEP_TOKENS_CPU, 2 * slots), _BLOCK_TOKENS)


def _end_tokens(folder: Path, text: ModelText) -> frozenset[int]:
    """Every token that ends an answer, wherever the artifact says so."""
    files = [folder / "generation_config.json", folder / "config.json"]
    named: list[Any] = [json.loads(file.read_bytes()).get("eos_token_id") for file in files if file.is_file()]
    flat = [one for name in [*named, text.end_token] for one in (name if isinstance(name, list) else [name])]
    return frozenset(int(one) for one in flat if one is not None)
