"""Smoothing changes the rounding of 8 bits, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.model import decoder
from engine.model.config import ModelConfig, read_config
from engine.model.decoder import Decoder
from engine.model.layer import UNCHANGED, LayerSmoothing, layer_pass, make_layer
from engine.model.rows import RowStore
from engine.model.weights import Weights
from engine.policy import Budget, Chunk
from tests.integration.inference.tiny_model import tiny_llama, tiny_stablelm

TOKENS = 24


def values_only(config: ModelConfig) -> Callable[[torch.Tensor], torch.Tensor]:
    """Attention that sees the token itself: its output is the token's value, whatever queries and keys are."""
    group = config.heads // config.kv_heads

    def attend(qkv: torch.Tensor) -> torch.Tensor:
        heads = qkv.view(len(qkv), -1, config.head_dim)
        return heads[:, config.heads + config.kv_heads :].repeat_interleave(group, 1).flatten(1)

    return attend


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: tiny_llama(attention_bias=True, mlp_bias=True), id="grouped queries and biases"),
        pytest.param(lambda: tiny_stablelm(use_parallel_residual=True, use_qkv_bias=True), id="one norm for both"),
        pytest.param(tiny_stablelm, id="norm with bias"),
    ],
)
def test_a_smoothed_layer_says_the_same_without_rounding(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("bias"):
                tensor.normal_(std=0.2)
    model.save_pretrained(tmp_path)
    config = read_config(tmp_path)
    weights = Weights(tmp_path, torch.device("cpu"), "float32")
    chance = torch.Generator().manual_seed(3)

    def divisors(count: int) -> torch.Tensor:
        return torch.rand(count, generator=chance) * 9 + 0.1

    hidden = divisors(config.hidden)
    smooth = LayerSmoothing(
        qkv=hidden,
        out=divisors(config.kv_heads * config.head_dim),
        gate_up=hidden if config.parallel else divisors(config.hidden),
        down=divisors(model.config.intermediate_size),
    )
    x = torch.randn(TOKENS, config.hidden, generator=chance)

    with torch.no_grad():
        plain = layer_pass(make_layer(config, weights, 0, UNCHANGED), x, values_only(config))
        smoothed = layer_pass(make_layer(config, weights, 0, smooth), x, values_only(config))

    torch.testing.assert_close(smoothed, plain, atol=1e-4, rtol=1e-4)


def logits(folder: Path, precision: str) -> torch.Tensor:
    config = read_config(folder)
    decoder = Decoder(config, folder, torch.device("cpu"), precision)
    store = RowStore(config, decoder.dtype, Budget(1, 1, 2), TOKENS)
    every = torch.arange(TOKENS)
    aimed = store.aim([], [Chunk(0, 0, TOKENS, last=True)])
    return decoder.forward(every * 11 % config.vocabulary, every, aimed, every)


def test_int8_bears_inputs_a_hundred_times_as_large_as_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source: the outliers of G. Xiao et al., SmoothQuant (2023), section 3: a few channels some 100 times as large."""
    model = tiny_llama()
    with torch.no_grad():
        for layer in model.model.layers:
            layer.input_layernorm.weight[3] = 100.0
            layer.post_attention_layernorm.weight[5] = 100.0
            for matrix in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
                matrix.weight[:, 3] /= 100
            for matrix in (layer.mlp.gate_proj, layer.mlp.up_proj):
                matrix.weight[:, 5] /= 100
    model.save_pretrained(tmp_path)
    exact = logits(tmp_path, "float32")

    smoothed = (logits(tmp_path, "int8") - exact).norm()
    monkeypatch.setattr(decoder, "smoothings", lambda config, _folder: [UNCHANGED] * config.layers)
    unsmoothed = (logits(tmp_path, "int8") - exact).norm()

    assert smoothed < 0.25 * unsmoothed
