"""Which models the inference image serves, and which tensors such a model has.

The image's own rules are in `inference_image/engine/model/config.py`; a test holds the two against each other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MODEL_TYPES = {"LlamaForCausalLM": "llama", "StableLmForCausalLM": "stablelm"}
_ROPE_TYPES = ("default", "linear", "llama3")
_STABLE = "StableLmForCausalLM"
_FOUR_BIT_FORMATS = ("nf4", "fp4")

MAX_LAYERS = 1000
MAX_HEADS = 4096
MAX_WIDTH = 1_000_000
MAX_VOCABULARY = 10_000_000
MAX_CONTEXT = 100_000_000


@dataclass(frozen=True, slots=True)
class Architecture:
    """One decoder; sizes as in config.json, `context` in tokens."""

    name: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    context: int
    tied: bool
    parallel: bool
    """Attention and MLP share one norm."""
    qkv_bias: bool
    out_bias: bool
    mlp_bias: bool
    four_bit: str = ""
    """`nf4` or `fp4` if bitsandbytes has quantised the linear layers."""
    int8: bool = False
    """compressed-tensors has quantised every linear layer, with a scale for each output."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A tensor that the model must have; `linear` ones may be stored in 4 bits."""

    name: str
    shape: tuple[int, ...]
    linear: bool = False


class _Reader:
    """Reads whole numbers and collects what is wrong with them."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self.problems: list[str] = []

    def whole(self, key: str, most: int, default: int | None = None) -> int:
        """1 stands for a number that is missing or wrong, so that reading can go on."""
        value = self._config.get(key)
        if value is None and default is not None:
            return default
        if value is None:
            self.problems.append(f"config.json names no {key!r}; upload the config.json that was saved with the model")
        elif type(value) is not int or not 1 <= value <= most:
            self.problems.append(
                f"config.json sets {key!r} to {str(value)[:40]}; it must be a whole number, 1 to {most}"
            )
        else:
            return value
        return 1


def read_architecture(config: Mapping[str, Any]) -> Architecture | list[str]:
    """What config.json describes, or every reason why the image cannot serve it."""
    named = config.get("architectures")
    name = named[0] if isinstance(named, list) and named else None
    if not isinstance(name, str) or name not in MODEL_TYPES:
        return [f"config.json names the architecture {name!r}; the image serves {' and '.join(MODEL_TYPES)}"]
    reader = _Reader(config)
    heads = reader.whole("num_attention_heads", MAX_HEADS)
    hidden = reader.whole("hidden_size", MAX_WIDTH)
    stable = name == _STABLE
    attention_bias = bool(config.get("attention_bias"))
    found = Architecture(
        name=name,
        layers=reader.whole("num_hidden_layers", MAX_LAYERS),
        hidden=hidden,
        intermediate=reader.whole("intermediate_size", MAX_WIDTH),
        heads=heads,
        kv_heads=reader.whole("num_key_value_heads", MAX_HEADS, heads),
        head_dim=reader.whole("head_dim", MAX_WIDTH, max(1, hidden // heads)),
        vocabulary=reader.whole("vocab_size", MAX_VOCABULARY),
        context=reader.whole("max_position_embeddings", MAX_CONTEXT),
        tied=bool(config.get("tie_word_embeddings")),
        parallel=stable and bool(config.get("use_parallel_residual")),
        qkv_bias=bool(config.get("use_qkv_bias")) if stable else attention_bias,
        out_bias=attention_bias and not stable,
        mlp_bias=bool(config.get("mlp_bias")) and not stable,
        four_bit=_four_bit(config),
        int8=_is_int8(config.get("quantization_config")),
    )
    problems = reader.problems + [*_shape_problems(found)] * (not reader.problems) + [*_variant_problems(name, config)]
    return problems or found


def _four_bit(config: Mapping[str, Any]) -> str:
    quantisation = config.get("quantization_config")
    if not isinstance(quantisation, dict) or not _is_four_bit(quantisation):
        return ""
    return str(quantisation.get("bnb_4bit_quant_type", "fp4"))


def _shape_problems(found: Architecture) -> Iterator[str]:
    if found.heads % found.kv_heads:
        yield f"config.json has {found.heads} heads that cannot share {found.kv_heads} keys and values evenly; mend it"
    if found.head_dim % 2:
        yield f"config.json has heads of {found.head_dim} dimensions; rotary embeddings need an even number"


def _variant_problems(name: str, config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("model_type") != MODEL_TYPES[name]:
        yield (
            f"config.json names model_type {str(config.get('model_type'))[:40]!r}, "
            f"but {name} is a {MODEL_TYPES[name]!r}; upload the config.json that was saved with the model"
        )
    if config.get("hidden_act", "silu") != "silu":
        yield f"config.json asks for the activation {str(config['hidden_act'])[:40]!r}; the image computes silu"
    if config.get("qk_layernorm"):
        yield "config.json asks for qk_layernorm, which the image does not compute"
    yield from _rope_problems(config)
    quantisation = config.get("quantization_config")
    if quantisation and not _is_four_bit(quantisation) and not _is_int8(quantisation):
        method = quantisation.get("quant_method") if isinstance(quantisation, dict) else quantisation
        yield (
            f"config.json asks for {str(method)[:40]!r} quantisation; "
            "the image reads 4-bit bitsandbytes weights, int-quantized W8A8 ones of compressed-tensors and plain ones"
        )


def _is_four_bit(quantisation: Any) -> bool:
    return (
        isinstance(quantisation, dict)
        and quantisation.get("quant_method") == "bitsandbytes"
        and quantisation.get("load_in_4bit") is True
        and quantisation.get("bnb_4bit_quant_type", "fp4") in _FOUR_BIT_FORMATS
    )


def _is_int8(quantisation: Any) -> bool:
    """8-bit weights with one scale per output and 8-bit activations with one scale per token, in every product."""
    match quantisation:
        case {"quant_method": "compressed-tensors", "format": "int-quantized", "config_groups": {**groups}}:
            rest = (quantisation.get("ignore"), quantisation.get("kv_cache_scheme"))
            return not any(rest) and len(groups) == 1 and all(map(_is_w8a8, groups.values()))
    return False


def _is_w8a8(group: Any) -> bool:
    return (
        isinstance(group, dict)
        and group.get("targets") == ["Linear"]
        and _is_scheme(group.get("weights"), strategy="channel", dynamic=False)
        and _is_scheme(group.get("input_activations"), strategy="token", dynamic=True)
    )


def _is_scheme(scheme: Any, *, strategy: str, dynamic: bool) -> bool:
    wanted = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": strategy, "dynamic": dynamic}
    return isinstance(scheme, dict) and {name: scheme.get(name) for name in wanted} == wanted


def _rope_problems(config: Mapping[str, Any]) -> Iterator[str]:
    for key in ("rope_scaling", "rope_parameters"):
        rope = config.get(key) or {}
        kind = rope.get("rope_type", rope.get("type", "default")) if isinstance(rope, dict) else rope
        if kind not in _ROPE_TYPES:
            asked = f"config.json asks for rotary embeddings of type {str(kind)[:40]!r}"
            yield f"{asked}; the image knows {', '.join(_ROPE_TYPES)}"


def expected_tensors(model: Architecture) -> Iterator[Expected]:
    """Every tensor of the model by name and shape, as transformers saves it."""
    yield Expected("model.embed_tokens.weight", (model.vocabulary, model.hidden))
    for layer in range(model.layers):
        yield from _layer(model, f"model.layers.{layer}")
    yield from _norm(model, "model.norm")
    if not model.tied:
        yield Expected("lm_head.weight", (model.vocabulary, model.hidden), linear=True)


def _layer(model: Architecture, name: str) -> Iterator[Expected]:
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    yield from _norm(model, f"{name}.input_layernorm")
    for part, rows in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
        yield from _linear(f"{name}.self_attn.{part}", (rows, model.hidden), bias=model.qkv_bias)
    yield from _linear(f"{name}.self_attn.o_proj", (model.hidden, queries), bias=model.out_bias)
    if not model.parallel:
        yield from _norm(model, f"{name}.post_attention_layernorm")
    for part in ("gate_proj", "up_proj"):
        yield from _linear(f"{name}.mlp.{part}", (model.intermediate, model.hidden), bias=model.mlp_bias)
    yield from _linear(f"{name}.mlp.down_proj", (model.hidden, model.intermediate), bias=model.mlp_bias)


def _linear(name: str, shape: tuple[int, int], *, bias: bool) -> Iterator[Expected]:
    yield Expected(f"{name}.weight", shape, linear=True)
    if bias:
        yield Expected(f"{name}.bias", shape[:1])


def _norm(model: Architecture, name: str) -> Iterator[Expected]:
    yield Expected(f"{name}.weight", (model.hidden,))
    if model.name == _STABLE:
        yield Expected(f"{name}.bias", (model.hidden,))
