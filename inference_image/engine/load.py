"""From a model folder to a runner. The only module that loads weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from artifact.folder import ArtifactRefusedError
from engine.policy import Budget
from engine.protocol import Configure
from engine.runner import Runner
from engine.text import ModelText

# Growing the KV cache holds the old and the new one at once, hence shares well below the half of what is free.
_KV_SHARE_OF_RAM = 0.2
_KV_SHARE_OF_GPU = 0.4
_PREFILL_TOKENS_CPU = 256
_PREFILL_TOKENS_GPU = 2048


@dataclass(frozen=True)
class Model:
    runner: Runner
    text: ModelText
    budget: Budget
    max_model_len: int
    eos: frozenset[int]


def load(settings: Configure) -> Model:
    """Load a folder that `check_folder` has passed onto the GPU, or the CPU where there is none.

    Raises:
        ArtifactRefusedError: the folder cannot be loaded.
    """
    folder = Path(settings.model_dir)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = _weights(folder, settings.dtype, device)
    runner = Runner(model)
    context = int(model.config.get_text_config().max_position_embeddings)
    kv_tokens = _free_bytes(device) // runner.cache.bytes_per_token
    longest = min(context, settings.max_model_len or context, kv_tokens)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not getattr(tokenizer, "is_fast", False):
        raise ArtifactRefusedError(
            "tokenizer.json does not load as a fast tokenizer; save the tokenizer in that format"
        )
    prefill = _PREFILL_TOKENS_GPU if device.type == "cuda" else _PREFILL_TOKENS_CPU
    budget = Budget(slots=settings.max_concurrency, kv_tokens=kv_tokens, prefill_tokens=prefill)
    return Model(runner, ModelText(tokenizer, longest), budget, longest, _end_tokens(model, tokenizer))


def _weights(folder: Path, dtype: str, device: torch.device) -> Any:
    quantised = json.loads((folder / "config.json").read_bytes()).get("quantization_config", {})
    if quantised and device.type == "cpu" and quantised.get("quant_method") != "bitsandbytes":
        raise ArtifactRefusedError(
            f"config.json asks for {quantised.get('quant_method')} quantisation, which needs CUDA; serve it on a GPU"
        )
    if dtype == "auto" and device.type == "cpu" and not quantised:
        # Without AMX a bfloat16 product is slower than a float32 one on a CPU.
        dtype = "float32"
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            device_map={"": device},
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (ValueError, KeyError, RuntimeError, ImportError, OSError) as error:
        raise ArtifactRefusedError(f"the weights do not load: {type(error).__name__}: {str(error)[:800]}") from error
    model.requires_grad_(requires_grad=False)
    return model.train(mode=False)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free, _total = torch.cuda.mem_get_info(device)
        return int(free * _KV_SHARE_OF_GPU)
    return int(psutil.virtual_memory().available * _KV_SHARE_OF_RAM)


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends an answer, wherever the artifact says so."""
    generation: GenerationConfig | None = model.generation_config
    named = [getattr(generation, "eos_token_id", None), model.config.eos_token_id, tokenizer.eos_token_id]
    flat = [one for name in named for one in (name if isinstance(name, list) else [name])]
    return frozenset(int(one) for one in flat if one is not None)
