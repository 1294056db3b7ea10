"""8-bit weights that were written down compute what the engine computes when it quantises while it loads."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from artifact.folder import ArtifactRefusedError
from engine.loop import Job
from engine.model import decoder, linear
from engine.model.config import read_config
from engine.model.rows import RowStore
from engine.model.weights import Weights
from engine.policy import Budget, Chunk
from engine.protocol import Submit
from engine.quantise import write
from tests.integration.inference.test_greedy_equality import answers
from tests.integration.inference.tiny_model import tiny_llama, tiny_stablelm

# The scheme that https://github.com/vllm-project/compressed-tensors calls W8A8, format int-quantized.
SCHEME = {"num_bits": 8, "type": "int", "symmetric": True}
QUANTISATION: dict[str, Any] = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": SCHEME | {"strategy": "channel", "dynamic": False},
            "input_activations": SCHEME | {"strategy": "token", "dynamic": True},
        }
    },
    "ignore": [],
}
MODELS: dict[str, Callable[[], Any]] = {
    "llama": tiny_llama,
    "llama with biases and a tied head": lambda: tiny_llama(
        attention_bias=True, mlp_bias=True, tie_word_embeddings=True
    ),
    "stablelm": tiny_stablelm,
    "parallel stablelm with biases": lambda: tiny_stablelm(use_parallel_residual=True, use_qkv_bias=True),
}


def quantised(plain: Path, folder: Path, shards: int = 1) -> Path:
    """The plain model's int8 form, in as many shards as its groups of tensors allow."""
    folder.mkdir()
    names = list(load_file(plain / "model.safetensors"))
    groups: dict[str, list[str]] = {}
    for name in sorted({*names, "lm_head.weight"}, key=lambda name: (".layers." not in name, name)):
        groups.setdefault(name.split(".")[2] if ".layers." in name else name, []).append(name)
    order = ["model.embed_tokens.weight", *sorted(key for key in groups if key.isdigit())]
    order += [key for key in groups if key not in order]
    parts = [order] if shards == 1 else [[key] for key in order]
    plan: list[Mapping[str, object]] = [
        {"path": f"part-{number}.safetensors", "tensors": [name for key in part for name in groups[key]]}
        for number, part in enumerate(parts)
    ]
    assert list(write(plan, plain, folder)) == [shard["path"] for shard in plan]
    places = {name: str(shard["path"]) for shard in plan for name in load_file(folder / str(shard["path"]))}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    config = json.loads((plain / "config.json").read_bytes())
    (folder / "config.json").write_text(
        json.dumps(config | {"quantization_config": QUANTISATION, "tie_word_embeddings": False})
    )
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_the_written_form_answers_with_the_same_tokens_and_quantises_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "plain"
    MODELS[name]().save_pretrained(plain)
    folder = quantised(plain, tmp_path / "int8", shards=9)
    jobs = [Job(Submit(f"r{number}"), [number * 31 % 259 + 1, *range(1, 12)], 16) for number in range(4)]
    while_loading = answers(plain, jobs, "int8")

    def refuse(*_: object) -> Any:
        raise AssertionError("an artifact in 8 bits must not be quantised or calibrated again")

    monkeypatch.setattr(linear, "int8_codes", refuse)
    monkeypatch.setattr(decoder, "smoothings", refuse)
    assert answers(folder, jobs, "int8") == while_loading
    assert len({tuple(answer) for answer in while_loading.values()}) > 1, "the answers are too much alike"


def test_logits_are_equal_to_the_last_bit(tmp_path: Path) -> None:
    tiny_llama().save_pretrained(tmp_path / "plain")
    folder = quantised(tmp_path / "plain", tmp_path / "int8")

    def logits(of: Path) -> torch.Tensor:
        made = decoder.Decoder(read_config(of), of, torch.device("cpu"), "int8")
        store = RowStore(made.config, torch.float32, Budget(1, 1, 2), 16)
        tokens = torch.arange(1, 9)
        aimed = store.aim([], [Chunk(0, 0, len(tokens), last=True)])
        return made.forward(tokens, torch.arange(len(tokens)), aimed, torch.arange(len(tokens)))

    assert torch.equal(logits(folder), logits(tmp_path / "plain"))


def test_codes_times_scales_are_the_weights_within_half_a_step(tmp_path: Path) -> None:
    """By the definition of the form; the head is the one matrix that nothing is moved into."""
    tiny_llama().save_pretrained(tmp_path / "plain")
    folder = quantised(tmp_path / "plain", tmp_path / "int8")
    head = load_file(tmp_path / "plain" / "model.safetensors")["lm_head.weight"]

    stored = load_file(folder / "part-0.safetensors")

    codes, scales = stored["lm_head.weight"], stored["lm_head.weight_scale"]
    assert (codes.dtype, codes.shape, scales.dtype, scales.shape) == (torch.int8, head.shape, torch.float32, (260, 1))
    assert int(codes.abs().max()) == 127
    assert float(((codes * scales - head).abs() / scales).max()) <= 0.5001


def test_the_written_form_serves_in_float32_where_int8_is_not_supported(tmp_path: Path) -> None:
    tiny_llama().save_pretrained(tmp_path / "plain")
    folder = quantised(tmp_path / "plain", tmp_path / "int8")
    stored = load_file(folder / "part-0.safetensors")

    weights = Weights(folder, torch.device("cpu"), "float32")

    x = torch.randn(3, 32, generator=torch.Generator().manual_seed(1))
    dense = stored["lm_head.weight"] * stored["lm_head.weight_scale"]
    assert_close(weights.linear(["lm_head"])(x), x @ dense.T)


def test_a_shard_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    tiny_llama().save_pretrained(tmp_path / "plain")
    folder = quantised(tmp_path / "plain", tmp_path / "int8", shards=9)
    first, second = (folder / f"part-{number}.safetensors" for number in (0, 1))
    first.write_bytes(b"finished before")
    wanted = second.read_bytes()
    second.unlink()
    plan: list[Mapping[str, object]] = [
        {"path": first.name, "tensors": ["model.embed_tokens.weight"]},
        {
            "path": second.name,
            "tensors": [name for name in load_file(tmp_path / "plain/model.safetensors") if ".layers.0." in name],
        },
    ]

    assert list(write(plan, tmp_path / "plain", folder)) == [first.name, second.name]
    assert (first.read_bytes(), second.read_bytes()) == (b"finished before", wanted)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"format": "pack-quantized"}, id="packed"),
        pytest.param({"ignore": ["lm_head"]}, id="a head in another form"),
        pytest.param({"kv_cache_scheme": {"num_bits": 8}}, id="quantised keys and values"),
        pytest.param({"config_groups": {}}, id="no scheme"),
    ],
)
def test_other_forms_of_compressed_tensors_are_refused_by_name(tmp_path: Path, changed: dict[str, Any]) -> None:
    tiny_llama().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": QUANTISATION | changed}))

    with pytest.raises(ArtifactRefusedError, match="compressed-tensors quantisation; this engine reads 4-bit"):
        read_config(tmp_path)
