"""Weights whose headers lie, and pickles under other names."""

import json
import pickle
import zipfile
from io import BytesIO
from typing import Any

from tests.builders.artifacts import SHAPES, header_of, safetensors, sharded
from tests.corpus.hostile.case import Hostile, drop, with_config

FILE = "model.safetensors"
EMBEDDING = "model.embed_tokens.weight"


def file_of(header: Any, data: int = 0) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data)


def weights(body: bytes) -> dict[str, bytes]:
    return drop(**{FILE: body})


def changed(**entry: Any) -> dict[str, bytes]:
    """The sound header with one entry of the embedding replaced."""
    header = header_of(SHAPES)
    data = max(one["data_offsets"][1] for one in header.values())
    header[EMBEDDING] |= entry
    return weights(file_of(header, data))


def _zip_with_pickle() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    return packed.getvalue()


def _twice() -> bytes:
    text = json.dumps({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})[:-1]
    return file_of((text + ', "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}').encode(), 1)


SOUND = safetensors()
ONE = {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}
SHARD_TWO = {"model.norm.weight": (8,)}


HEADERS = (
    Hostile("weights cut off after the length", f"{FILE} claims a header", weights(SOUND[:8])),
    Hostile("weights shorter than a length", f"{FILE} has 4 bytes and is too short", weights(SOUND[:4])),
    Hostile(
        "weights that end early", f"{FILE} has 2527 bytes of tensors but its header describes 2528", weights(SOUND[:-1])
    ),
    Hostile("code behind the last tensor", f"{FILE} has 2537 bytes of tensors", weights(SOUND + b"#!/bin/sh")),
    Hostile("a header longer than memory", "the limit is 8000000", weights((2**40).to_bytes(8, "little") + b"{}")),
    Hostile("a pickle named safetensors", "the limit is 8000000", weights(pickle.dumps(dict.fromkeys(range(9))))),
    Hostile("a zipped pickle named safetensors", "the limit is 8000000", weights(_zip_with_pickle())),
    Hostile(
        "a header that is no JSON", f"{FILE} has a header that is not a JSON object", weights(file_of(b"nonsense"))
    ),
    Hostile("a header that is a list", f"{FILE} has a header that is not a JSON object", weights(file_of([]))),
    Hostile("a header in UTF-16", "is not a JSON object", weights(file_of(json.dumps({"a": ONE}).encode("utf-16"), 1))),
    Hostile("a header with bytes that are no text", "is not valid JSON", weights(file_of(b'{"\xff": 1}'))),
    Hostile("a header that nests without end", "is not valid JSON", weights(file_of(b'{"a":' * 50_000))),
    Hostile(
        "a header of a million lists", "more than 1000000 JSON objects", weights(file_of(b'{"a":[' + b"[]," * 10**6))
    ),
    Hostile("a tensor that stands twice", f"{FILE} has a header that sets 'a' twice", weights(_twice())),
    Hostile("no tensor at all", f"{FILE} holds no tensor", weights(file_of({"__metadata__": {}}))),
    Hostile(
        "metadata that are more than texts",
        "'__metadata__' that is more than texts",
        weights(file_of({"a": ONE, "__metadata__": {"a": [1]}}, 1)),
    ),
    Hostile("a tensor with a field too many", "by more or less than dtype", changed(hook="os.system")),
    Hostile("true for a dimension", "by more or less than dtype", changed(shape=[True, 32])),
    Hostile("an unknown dtype", "of unknown dtype 'OBJECT'", changed(dtype="OBJECT")),
    Hostile("a negative dimension", "one outside 0 to", changed(shape=[-4, -8])),
    Hostile("dimensions without end", "more than 16 dimensions", changed(shape=[1] * 100_000)),
    Hostile("a dimension beyond any memory", "one outside 0 to", changed(shape=[2**60, 0])),
    Hostile("a shape larger than its bytes", "its shape needs 1024 bytes", changed(shape=[32, 8])),
    Hostile(
        "an offset before the start",
        "gives tensor 'model.embed_tokens.weight' bytes -128..0",
        changed(data_offsets=[-128, 0]),
    ),
    Hostile(
        "an offset into another tensor",
        "has an overlap between tensors",
        weights(file_of({"a": ONE, "b": ONE | {"data_offsets": [0, 1]}}, 1)),
    ),
    Hostile("bytes that no tensor owns", "unused bytes", changed(data_offsets=[0, 96], shape=[3, 8])),
    Hostile(
        "a missing layer",
        "the weights lack 'model.layers.1.input_layernorm.weight' and 8 more of 20",
        with_config(num_hidden_layers=2),
    ),
    Hostile(
        "another model's embedding",
        "'model.embed_tokens.weight' has the shape [4, 8] in place of [99, 8]",
        with_config(vocab_size=99),
    ),
    Hostile("numbers that the image cannot compute with", "'model.embed_tokens.weight' in I32", changed(dtype="I32")),
)


def _index(weight_map: Any) -> bytes:
    return json.dumps({"weight_map": weight_map}).encode()


INDEX = "model.safetensors.index.json"
_MAP = json.loads(sharded()[INDEX])["weight_map"]


def _without(path: str) -> dict[str, bytes]:
    return {name: body for name, body in sharded().items() if name != path}


SHARDS = (
    Hostile(
        "a missing shard",
        "model-2.safetensors is missing, though model.safetensors.index.json names it",
        _without("model-2.safetensors"),
    ),
    Hostile("shards without an index", f"{INDEX} is missing", _without(INDEX)),
    Hostile("an index without a map", f"{INDEX} has no 'weight_map'", sharded() | {INDEX: b"{}"}),
    Hostile("an index that is no JSON", f"{INDEX} is not valid JSON", sharded() | {INDEX: b"{"}),
    Hostile(
        "an index that names a tensor twice",
        f"{INDEX} sets 'a' twice",
        sharded() | {INDEX: b'{"weight_map": {"a": "x", "a": "y"}}'},
    ),
    Hostile(
        "a shard outside the artifact",
        "names shard '../../etc/passwd', which lies outside",
        sharded() | {INDEX: _index(_MAP | {"x": "../../etc/passwd"})},
    ),
    Hostile(
        "a shard at the root",
        "names shard '/dev/zero', which lies outside",
        sharded() | {INDEX: _index(_MAP | {"x": "/dev/zero"})},
    ),
    Hostile(
        "a shard that is text",
        "names shard tokenizer.json, which is no safetensors file",
        sharded() | {INDEX: _index(_MAP | {"x": "tokenizer.json"})},
    ),
    Hostile(
        "a tensor in the wrong shard",
        "model-2.safetensors lacks tensor 'model.embed_tokens.weight'",
        sharded() | {INDEX: _index(_MAP | {EMBEDDING: "model-2.safetensors"})},
    ),
    Hostile(
        "a shard that nothing names",
        "extra.safetensors is weights that model.safetensors.index.json does not name",
        sharded() | {"extra.safetensors": safetensors(SHARD_TWO)},
    ),
    Hostile(
        "second weights beside the first",
        "extra.safetensors is weights that nothing names",
        drop(**{"extra.safetensors": safetensors(SHARD_TWO)}),
    ),
    Hostile(
        "a tensor in two shards",
        "tensor 'model.norm.weight' lies in 2 of the weights' files",
        sharded() | {"model-1.safetensors": SOUND},
    ),
)
