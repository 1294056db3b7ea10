"""How much of an instance's memory a release takes: weights, keys and values, and what a step computes with.

An estimate from shapes, made before anything exists. Bytes are bytes; GB is 10**9. The image serves one model on one
accelerator, so only the first of several counts.

The rules are those of engines that size a cache before they serve (vLLM, "Conserving memory"): a release that cannot
hold one request as long as its context, or the answers of all requests that it promises to run together, is refused.
Less than every promised request at full length is normal, because requests share the cache; the report has the number.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from pathlib import Path

from release.domain.examination.architecture import Architecture, expected_tensors
from release.domain.examination.weights import Census

INSTANCES = Path(__file__).with_name("instances.json")
"""Instance types with their source and date; a test holds it against EC2's own figures."""

USABLE_SHARE = 0.9
"""Of the memory: drivers, contexts and fragments take the rest. vLLM's `gpu_memory_utilization` by default."""
CPU_CACHE_SHARE = 0.4
"""Of what the weights leave on an instance without GPU: the image takes so much for keys and values."""
CPU_STEP_TOKENS = 256
GPU_STEP_TOKENS = 2048
"""Prompt tokens in one step, which set the size of a step's own tensors."""

# The image's defaults (events/serving/container-environment).
_CONCURRENCY, _NEW_TOKENS = 16, 512
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 4}
"""What one number takes in a step: int8 layers compute in float32."""


@dataclass(frozen=True, slots=True)
class Instance:
    """`accelerator_bytes` of one of them; 0 without. `neuron`: AWS's own chips, which the image does not serve on."""

    name: str
    memory_bytes: int
    accelerator: str
    accelerator_bytes: int

    @property
    def neuron(self) -> bool:
        return self.accelerator.startswith("AWS")


@dataclass(frozen=True, slots=True)
class Promise:
    """What the config lets customers expect of one instance.

    Args:
        concurrency: requests that run together.
        context: tokens of the longest request, answer included.
        answer: tokens of an answer when nobody asks for fewer.
        dtype: SLIPWAY_DTYPE.
    """

    concurrency: int
    context: int
    answer: int
    dtype: str


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Bytes on one instance. `cache_tokens` fit into what is left; `full_requests` of them as long as the context."""

    instance: Instance
    usable: int
    weights: int
    step: int
    kv_per_token: int
    cache_tokens: int
    full_requests: int
    promise: Promise
    problem: str = ""


def promise_of(environment: Mapping[str, str], model: Architecture) -> Promise:
    """What the config's environment promises. What is no number counts as the default; the image will refuse it."""
    longest = _number(environment.get("SLIPWAY_MAX_MODEL_LEN"), model.context)
    context = min(model.context, longest)
    return Promise(
        concurrency=_number(environment.get("SLIPWAY_MAX_CONCURRENCY"), _CONCURRENCY),
        context=context,
        answer=min(context, _number(environment.get("SLIPWAY_MAX_NEW_TOKENS"), _NEW_TOKENS)),
        dtype=environment.get("SLIPWAY_DTYPE", "auto"),
    )


def _number(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"0*[1-9][0-9]{0,6}", text) else default


@cache
def _instances() -> dict[str, Instance]:
    table = json.loads(INSTANCES.read_text(encoding="utf-8"))["types"]
    return {name: Instance(name, ram << 20, chip, chip_ram << 20) for name, (ram, chip, chip_ram) in table.items()}


def instance_of(instance_type: str) -> Instance | None:
    """None if the table does not have it."""
    return _instances().get(instance_type)


def memory_plan(instance: Instance, model: Architecture, census: Census, promise: Promise) -> MemoryPlan:
    gpu = bool(instance.accelerator_bytes)
    usable = int((instance.accelerator_bytes or instance.memory_bytes) * USABLE_SHARE)
    dtype = _precision(promise.dtype, model, gpu=gpu)
    weights = _weights(model, census, dtype)
    step = _step(model, promise, _BYTES[dtype], GPU_STEP_TOKENS if gpu else CPU_STEP_TOKENS)
    per_token = 2 * model.layers * model.kv_heads * model.head_dim * _BYTES[dtype]
    # On a CPU a token lies in its own row and in a block that others can share.
    share, copies = (1.0, 1) if gpu else (CPU_CACHE_SHARE, 2)
    tokens = int(max(0, usable - weights - step) * share) // (per_token * copies)
    plan = MemoryPlan(instance, usable, weights, step, per_token * copies, tokens, tokens // promise.context, promise)
    return replace(plan, problem=_problem(plan))


def _precision(asked: str, model: Architecture, *, gpu: bool) -> str:
    if asked in _BYTES:
        return asked
    if gpu:
        return "bfloat16"
    return "float32" if model.four_bit else "int8"


def _weights(model: Architecture, census: Census, dtype: str) -> int:
    """Bytes after quantisation. Quantised artifacts bring it along; others are made int8 while loading, one scale for
    each row."""
    if model.four_bit or (model.int8 and dtype == "int8"):
        return census.bytes
    if dtype != "int8":
        return census.parameters * _BYTES[dtype]
    expected = list(expected_tensors(model))
    head = prod((model.vocabulary, model.hidden)) + 4 * model.vocabulary if model.tied else 0
    linear = sum(prod(one.shape) + 4 * one.shape[0] for one in expected if one.linear)
    return head + linear + 4 * sum(prod(one.shape) for one in expected if not one.linear)


def _step(model: Architecture, promise: Promise, number: int, tokens: int) -> int:
    """Residual, norm, queries, keys, values and both halves of the MLP of each token; logits of each request, twice:
    as computed and in float32; and, for 4-bit weights, the largest layer unpacked."""
    heads = (model.heads + 2 * model.kv_heads) * model.head_dim
    activations = tokens * (3 * model.hidden + 2 * heads + 3 * model.intermediate) * number
    logits = promise.concurrency * model.vocabulary * (number + 4)
    return activations + logits + (2 * model.intermediate * model.hidden * 2 if model.four_bit else 0)


def _problem(plan: MemoryPlan) -> str:
    promise, name = plan.promise, plan.instance.name
    where = f"{_gb(plan.usable)} GB usable on {name}"
    if plan.weights + plan.step >= plan.usable:
        return (
            f"the weights need {_gb(plan.weights)} GB and a step {_gb(plan.step)} GB of {where}; "
            "take a larger instance type or quantise the weights"
        )
    left = f"keys and values of {plan.cache_tokens} tokens fit beside {_gb(plan.weights)} GB of weights in {where}"
    if plan.cache_tokens < promise.context:
        advice = "lower SLIPWAY_MAX_MODEL_LEN or take a larger instance type"
        return f"{left}, and one request may have {promise.context}; {advice}"
    answers = promise.concurrency * promise.answer
    if plan.cache_tokens < answers:
        return (
            f"{left}, and {promise.concurrency} requests with answers of {promise.answer} tokens need {answers}; "
            "lower SLIPWAY_MAX_CONCURRENCY or take a larger instance type"
        )
    return ""


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f}"
