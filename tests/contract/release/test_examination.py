"""The examination's tables against those whose facts they repeat: the inference image and EC2."""

import json
from pathlib import Path
from typing import Any

import pytest

from artifact.folder import ArtifactRefusedError
from engine.model import config as engine
from release.domain.examination.architecture import MODEL_TYPES, Architecture, read_architecture
from release.domain.memory import INSTANCES
from tests.builders import stablelm
from tests.builders.artifacts import CONFIG
from tests.contract.release import instance_table
from tests.corpus.hostile.texts import DOCUMENTS

LLAMA_3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
FOUR_BIT = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
_SCHEME = {"num_bits": 8, "type": "int", "symmetric": True}
# W8A8 of https://github.com/vllm-project/compressed-tensors.
INT8: dict[str, Any] = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": _SCHEME | {"strategy": "channel", "dynamic": False},
            "input_activations": _SCHEME | {"strategy": "token", "dynamic": True},
        }
    },
    "ignore": [],
}
SERVED: dict[str, dict[str, Any]] = {
    "llama": CONFIG,
    "llama with stretched positions": CONFIG | {"rope_scaling": LLAMA_3, "rope_theta": 500000.0},
    "llama with biases": CONFIG | {"attention_bias": True, "mlp_bias": True, "head_dim": 16},
    "stablelm": stablelm.CONFIG,
    "stablelm in 8 bits": stablelm.CONFIG | {"quantization_config": INT8, "use_qkv_bias": True},
    "stablelm in 4 bits": stablelm.CONFIG | {"quantization_config": FOUR_BIT, "use_parallel_residual": True},
}


def test_the_examination_and_the_image_know_the_same_architectures() -> None:
    assert MODEL_TYPES.keys() == engine._ARCHITECTURES.keys()


@pytest.mark.parametrize("name", SERVED)
def test_what_the_image_reads_from_a_config_the_examination_reads(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SERVED[name]))

    image, examined = engine.read_config(tmp_path), read_architecture(SERVED[name])

    assert isinstance(examined, Architecture), examined
    sizes = ("vocabulary", "hidden", "layers", "heads", "kv_heads", "head_dim", "context")
    shared = (*sizes, "tied", "parallel", "qkv_bias", "out_bias", "mlp_bias")
    assert [getattr(examined, field) for field in shared] == [getattr(image, field) for field in shared]
    assert (bool(examined.four_bit), examined.int8) == (image.quantised == "four_bit", image.quantised == "int8")


def refused_by_the_image() -> list[dict[str, Any]]:
    changes: list[dict[str, Any]] = [
        {"qk_layernorm": True},
        {"hidden_act": "gelu"},
        {"rope_scaling": {"type": "dynamic"}},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0}},
        {"quantization_config": {"quant_method": "awq"}},
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
        {"quantization_config": INT8 | {"ignore": ["lm_head"]}},
        {"quantization_config": INT8 | {"format": "pack-quantized"}},
        {"quantization_config": INT8 | {"config_groups": {}}},
        {"quantization_config": INT8 | {"kv_cache_scheme": {"num_bits": 8}}},
        {"architectures": ["GPT2LMHeadModel"]},
        {"num_attention_heads": None},
        {"vocab_size": None},
    ]
    plain = [{key: value for key, value in (CONFIG | change).items() if value is not None} for change in changes]
    hostile = (case.files["config.json"] for case in DOCUMENTS)
    return plain + [
        json.loads(text) for text in hostile if text.startswith(b"{") and text.endswith(b"}") and b"9999" not in text
    ]


def test_what_the_image_refuses_the_examination_has_refused(tmp_path: Path) -> None:
    refused = 0
    for config in refused_by_the_image():
        (tmp_path / "config.json").write_text(json.dumps(config))
        try:
            engine.read_config(tmp_path)
        except ArtifactRefusedError:
            refused += 1
            assert isinstance(read_architecture(config), list), config

    assert refused >= 9


def test_the_memory_of_instance_types_is_what_ec2_says() -> None:
    assert INSTANCES.read_text(encoding="utf-8") == instance_table.text()
