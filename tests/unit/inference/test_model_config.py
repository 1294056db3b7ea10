"""What the engine computes, and what it refuses by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from artifact.folder import ArtifactRefusedError
from engine.model.config import ModelConfig, read_config

# The keys that transformers writes for a Llama model.
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 1000,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}


def read(tmp_path: Path, **changed: Any) -> ModelConfig:
    (tmp_path / "config.json").write_text(json.dumps({**LLAMA, **changed}))
    return read_config(tmp_path)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"architectures": ["GemmaForCausalLM"]}, "'GemmaForCausalLM'; this engine knows Llama", id="name"),
        pytest.param({"architectures": None}, "architecture 'none'", id="no name"),
        pytest.param({"hidden_act": "gelu"}, "activation 'gelu'", id="activation"),
        pytest.param(
            {"architectures": ["StableLmForCausalLM"], "qk_layernorm": True}, "qk_layernorm", id="normed queries"
        ),
        pytest.param({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "type 'yarn'", id="yarn, old form"),
        pytest.param({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "type 'yarn'", id="yarn, new form"),
        pytest.param({"quantization_config": {"quant_method": "gptq"}}, "gptq quantisation", id="GPTQ"),
        pytest.param(
            {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
            "bitsandbytes quantisation; this engine reads 4-bit",
            id="8-bit bitsandbytes",
        ),
        pytest.param({"hidden_size": None}, "no LlamaForCausalLM: TypeError", id="a number is missing"),
    ],
)
def test_what_the_engine_cannot_compute_is_refused_by_name(
    tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ArtifactRefusedError, match=reason):
        read(tmp_path, **changed)


def test_both_forms_of_rotary_settings_mean_the_same(tmp_path: Path) -> None:
    old = read(tmp_path, rope_theta=5e5)
    new = read(tmp_path, rope_parameters={"rope_type": "default", "rope_theta": 5e5})

    assert old == new
    # 500000 ** (-2 / 16): three square roots of 500000 are 707.1068, 26.59148 and 5.156693, by hand.
    assert old.inverse_frequencies[1] == pytest.approx(1 / 5.156693, rel=1e-6)


def test_stablelm_rotates_a_quarter_of_a_head_unless_it_says_otherwise(tmp_path: Path) -> None:
    stable = {"architectures": ["StableLmForCausalLM"]}

    assert read(tmp_path, **stable).rotary_dim == 4
    assert read(tmp_path, **stable, partial_rotary_factor=0.5).rotary_dim == 8
    assert read(tmp_path, **stable, rope_parameters={"rope_theta": 1e4, "partial_rotary_factor": 0.5}).rotary_dim == 8
