"""A model folder in kilobytes: random weights, one token per byte. It speaks nonsense, quickly."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    StableLmConfig,
    StableLmForCausalLM,
)

_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'system' and not loop.first %}"
    "{{ raise_exception('a system message comes first') }}{% endif %}"
    "<{{ message['role'] }}>{{ message['content'] }}<end>{% endfor %}<assistant>"
)
_SPECIAL = ["<end>", "<system>", "<user>", "<assistant>"]
CONTEXT_TOKENS = 8192


def _tokenizer(*, chat: bool) -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*_SPECIAL, *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    make: Any = PreTrainedTokenizerFast  # it ships no types
    tokenizer = make(tokenizer_object=backend, eos_token="<end>", extra_special_tokens=_SPECIAL[1:])
    if chat:
        tokenizer.chat_template = _TEMPLATE
    return tokenizer


def tiny_llama(seed: int = 0, **changed: Any) -> Any:
    """Grouped-query attention: two heads share a key."""
    torch.manual_seed(seed)
    config = LlamaConfig(**{**_shape(), "num_key_value_heads": 2, **changed})
    return LlamaForCausalLM(config).train(mode=False)


def tiny_stablelm(seed: int = 0, **changed: Any) -> Any:
    """Partial rotary embedding and layer norm, as the headline model has them."""
    torch.manual_seed(seed)
    config = StableLmConfig(**{**_shape(), "num_key_value_heads": 4, **changed})
    return StableLmForCausalLM(config).train(mode=False)


def _shape() -> dict[str, Any]:
    return {
        "vocab_size": 260,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT_TOKENS,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 0,
        # Wide weights keep the two likeliest tokens apart, so that rounding decides nothing.
        "initializer_range": 0.4,
    }


def save_tiny_model(folder: Path, *, chat: bool = True) -> Path:
    model = tiny_llama()
    with torch.no_grad():
        model.lm_head.weight[0] = 0.0  # it never chooses <end>, so max_tokens says how long it talks
    model.save_pretrained(folder)
    _tokenizer(chat=chat).save_pretrained(folder)
    return folder
