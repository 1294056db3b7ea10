"""A GGUF file as a model in the form of Hugging Face: config, tokenizer and weights, a tensor at a time.

Names are mapped by the gguf package's own table. llama.cpp stores the queries and keys of Llama models with the rows
of each head interleaved (its converter's `permute`); they are put back into the order that transformers computes in.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.packaging.errors import PackageRefusedError
from slipway.packaging.sources import Count, ModelSource, canonical, read_input

if TYPE_CHECKING:
    import torch

ARCHITECTURES = {"llama": "LlamaForCausalLM", "stablelm": "StableLmForCausalLM"}
_MAGIC = b"GGUF"
_STORED_BYTES = 2  # of a number, in bfloat16


class GgufTensors:
    """Args: reader: gguf.GGUFReader; config: of the model in transformers' words."""

    def __init__(self, reader: Any, architecture: str, config: dict[str, Any]) -> None:
        from gguf import MODEL_ARCH_NAMES, get_tensor_name_map  # noqa: PLC0415 - only GGUF files need it

        self._held = {tensor.name: tensor for tensor in reader.tensors}
        number = next(number for number, name in MODEL_ARCH_NAMES.items() if name == architecture)
        self._names = get_tensor_name_map(number, config["num_hidden_layers"])
        self._heads = _permuted_heads(config) if architecture == "llama" else {}

    def bytes_of(self, name: str) -> int:
        return int(self._tensor(name).n_elements) * _STORED_BYTES

    def read(self, names: Sequence[str]) -> "dict[str, torch.Tensor]":
        return {name: self._converted(name) for name in names}

    def _tensor(self, name: str) -> Any:
        stem, _, kind = name.rpartition(".")
        known = self._names.get_name(stem)
        found = self._held.get(f"{known}.{kind}")
        if found is None:
            raise PackageRefusedError(f"the GGUF file has no tensor for {name}; convert the model again")
        return found

    def _converted(self, name: str) -> "torch.Tensor":
        import torch  # noqa: PLC0415 - seconds of imports
        from gguf import dequantize  # noqa: PLC0415 - the same

        stored = self._tensor(name)
        try:
            weights = dequantize(stored.data, stored.tensor_type)
        except NotImplementedError as error:
            raise PackageRefusedError(
                f"the GGUF file holds {stored.name} as {stored.tensor_type.name}, which cannot be unpacked; "
                "take another quantisation of the model"
            ) from error
        heads = next((count for part, count in self._heads.items() if f".{part}." in name), 0)
        found = torch.from_numpy(weights.copy()).bfloat16()
        if not heads:
            return found
        split = found.view(heads, found.shape[0] // heads // 2, 2, *found.shape[1:])
        return split.transpose(1, 2).reshape(found.shape)


def _permuted_heads(config: dict[str, Any]) -> dict[str, int]:
    heads = int(config["num_attention_heads"])
    return {"q_proj": heads, "k_proj": int(config.get("num_key_value_heads") or heads)}


def is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def gguf_source(path: Path, name: str, documents: Path, count: Count) -> ModelSource:
    """Read the file's description and write tokenizer, template and generation defaults into `documents`.

    Raises:
        PackageRefusedError: no GGUF file, an architecture that the image does not serve, or a tokenizer that
            transformers cannot convert.
    """
    if not is_gguf(path):
        raise PackageRefusedError(f"{path.name} is no GGUF file; give one, a folder, or the hub's name of a model")
    from gguf import GGUFReader  # noqa: PLC0415 - only GGUF files need it

    try:
        reader = GGUFReader(path)
        architecture = str(reader.fields["general.architecture"].contents())
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise PackageRefusedError(f"{path.name} is a damaged GGUF file ({error}); download it again") from error
    if architecture not in ARCHITECTURES:
        raise PackageRefusedError(
            f"{path.name} holds a model of the architecture {architecture!r}; the image serves "
            f"{' and '.join(ARCHITECTURES)}"
        )
    config = _config(path, architecture)
    _write_documents(path, documents, config)
    for own in _licence_files(path.parent):
        (documents / own.name).write_bytes(own.read_bytes())
    tensors = GgufTensors(reader, architecture, config)
    inputs = (read_input(path, path.name, count),)
    return ModelSource(name, f"file {path.name}", "", documents, config, tensors, None, inputs)


def _config(path: Path, architecture: str) -> dict[str, Any]:
    os.environ["HF_HUB_OFFLINE"] = "1"  # everything is in the file
    from transformers import AutoConfig  # noqa: PLC0415 - seconds of imports

    described = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    config: dict[str, Any] = json.loads(described.to_json_string(use_diff=True))
    if config.get("model_type") != architecture:
        raise PackageRefusedError(
            f"{path.name} describes a model of type {config.get('model_type')!r}, not {architecture!r}; "
            "give a folder with the original weights"
        )
    return config | {"architectures": [ARCHITECTURES[architecture]], "dtype": "bfloat16"}


def _write_documents(path: Path, documents: Path, config: dict[str, Any]) -> None:
    from transformers import AutoTokenizer  # noqa: PLC0415 - seconds of imports

    try:
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    except Exception as error:
        # The tokenizers library raises nothing narrower.
        raise PackageRefusedError(
            f"the tokenizer of {path.name} cannot be converted ({error}); give a folder with the original tokenizer"
        ) from error
    tokenizer.save_pretrained(documents)
    ends = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id}
    config.update({key: value for key, value in ends.items() if value is not None})


def _licence_files(folder: Path) -> list[Path]:
    return [folder / name for name in ("LICENSE", "LICENSE.md", "NOTICE", "README.md") if (folder / name).is_file()]


def fill_generation_config(target: Path, config: dict[str, Any]) -> None:
    """Generation defaults from config.json where the model brought none."""
    if target.is_file():
        return
    named = ("bos_token_id", "eos_token_id", "pad_token_id")
    kept = {name: config[name] for name in named if config.get(name) is not None}
    if kept:
        target.write_text(canonical(kept), "utf-8")
