"""What is no reason to refuse, and that every reason is told at once. The hostile corpus has the refusals."""

import json
from collections.abc import Mapping

import pytest

from release.domain.examination.contents import Contents, Reading, read_contents
from release.domain.examination.documents import document_problems
from release.domain.examination.listing import is_weights, listing_problems, must_be_read, readable
from release.domain.examination.report import Check, finding, refusal
from release.domain.examination.text import templates
from release.domain.strict_json import JsonError, parse
from tests.builders.artifacts import CONFIG, SHAPES, artifact, header_of, sharded


def read(files: Mapping[str, bytes]) -> Reading:
    sizes = {path: len(body) for path, body in files.items()}
    documents = {path: body for path, body in files.items() if must_be_read(path) and readable(path, len(body))}
    return read_contents(Contents(sizes, documents, {path: body for path, body in files.items() if is_weights(path)}))


def problems_of(files: Mapping[str, bytes]) -> list[str]:
    return [problem for found in read(files).findings for problem in found.problems]


@pytest.mark.parametrize("files", [artifact(), sharded()], ids=["one file", "two shards"])
def test_files_that_come_with_a_model_are_welcome(files: dict[str, bytes]) -> None:
    extras = {
        "generation_config.json": b'{"_from_model_config": true}',
        "special_tokens_map.json": b'{"eos_token": {"content": "<|im_end|>"}}',
        "vocab.json": b'{"auto_map": 7, "_private": 8}',
        "added_tokens.json": b"[]",
        "merges.txt": b"a b",
        "golden.jsonl": b"{}",
        "LICENSE": b"x",
        "README.md": b"x",
        "model.sig": b"{}",
        "deep/tokenizer.model": b"x",
    }

    assert problems_of(files | extras) == []


def test_a_dangerous_key_that_is_switched_off_is_harmless() -> None:
    settings = {
        "trust_remote_code": False,
        "auto_map": None,
        "_attn_implementation": "sdpa",
        "_name_or_path": "/home/x",
        "_load_in_4bit": True,
    }

    assert document_problems("config.json", json.dumps(CONFIG | settings).encode()) == []


def test_parameters_are_those_of_the_model_and_bytes_those_of_the_file() -> None:
    census = read(artifact()).census

    # By hand: embedding 32, two norms of the layer 16, attention 64 + 32 + 32 + 64, MLP 3 * 128, last norm 8.
    assert census is not None
    assert (census.parameters, census.tensors, census.files) == (632, 11, 1)
    assert census.bytes_by_dtype == {"F32": 2528}


def test_four_bit_weights_are_columns_of_bytes_beside_the_state_that_unpacks_them() -> None:
    quantisation = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    plain = {name: shape for name, shape in SHAPES.items() if "proj" not in name}
    header = header_of(plain, "BF16", 2)
    end = max(entry["data_offsets"][1] for entry in header.values())
    for name in (name for name in SHAPES if "proj" in name):
        rows, columns = SHAPES[name]
        for part, dtype, shape in (
            (name, "U8", [rows * columns // 2, 1]),
            (f"{name}.quant_state.bitsandbytes__nf4", "U8", [4]),
        ):
            header[part] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + shape[0]]}
            end += shape[0]
    text = json.dumps(header).encode()
    files = artifact() | {
        "config.json": json.dumps(CONFIG | {"quantization_config": quantisation}).encode(),
        "model.safetensors": len(text).to_bytes(8, "little") + text + bytes(end),
    }

    reading = read(files)

    assert problems_of(files) == []
    assert reading.census is not None
    # 576 weights of linear layers in 288 bytes and 7 states of 4 bytes; 56 other numbers in two bytes each.
    assert (reading.census.parameters, reading.census.bytes_by_dtype) == (632, {"BF16": 112, "U8": 316})
    assert "'model.layers.0.mlp.gate_proj.weight' in U8" not in " ".join(problems_of(files))


def in_eight_bits(*, scales: bool = True, coded: str = "I8") -> dict[str, bytes]:
    """The artifact with every linear matrix as W8A8 of compressed-tensors stores it."""
    scheme = {"num_bits": 8, "type": "int", "symmetric": True}
    group = {
        "targets": ["Linear"],
        "weights": scheme | {"strategy": "channel", "dynamic": False},
        "input_activations": scheme | {"strategy": "token", "dynamic": True},
    }
    quantisation = {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "config_groups": {"group_0": group},
    }
    plain = {name: shape for name, shape in SHAPES.items() if "proj" not in name}
    header = header_of(plain)
    end = max(entry["data_offsets"][1] for entry in header.values())
    for name in (name for name in SHAPES if "proj" in name):
        rows, columns = SHAPES[name]
        parts = [(f"{name}_scale", "F32", [rows, 1], 4 * rows)] if scales else []
        for part, dtype, shape, size in [*parts, (name, coded, [rows, columns], rows * columns)]:
            header[part] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
            end += size
    text = json.dumps(header).encode()
    return artifact() | {
        "config.json": json.dumps(CONFIG | {"quantization_config": quantisation}).encode(),
        "model.safetensors": len(text).to_bytes(8, "little") + text + bytes(end),
    }


def test_eight_bit_weights_stand_in_their_own_shape_beside_a_scale_for_each_output() -> None:
    reading = read(in_eight_bits())

    assert problems_of(in_eight_bits()) == []
    assert reading.census is not None
    # 576 weights in a byte each; 8 + 4 + 4 + 8 + 16 + 16 + 8 = 64 scales and 56 other numbers in four.
    assert (reading.census.parameters, reading.census.bytes_by_dtype) == (632, {"F32": 480, "I8": 576})


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        pytest.param(in_eight_bits(scales=False), "has no scale of shape [8, 1] and 6 more", id="no scales"),
        pytest.param(in_eight_bits(coded="U8"), "in U8 and 6 more which the image cannot compute with", id="unsigned"),
    ],
)
def test_half_of_the_eight_bit_form_is_refused(files: dict[str, bytes], sentence: str) -> None:
    assert any(sentence in problem for problem in problems_of(files)), problems_of(files)


def test_four_bit_bytes_without_the_config_that_says_so_are_refused() -> None:
    header = header_of(SHAPES) | {}
    end = max(entry["data_offsets"][1] for entry in header.values())
    name = "model.layers.0.mlp.gate_proj.weight"
    start = header[name]["data_offsets"][0]
    header[name] = {"dtype": "U8", "shape": [512, 1], "data_offsets": [start, start + 512]}
    text = json.dumps(header).encode()

    problems = problems_of(artifact() | {"model.safetensors": len(text).to_bytes(8, "little") + text + bytes(end)})

    assert any(f"'{name}' has the shape [512, 1] in place of [16, 8]" in problem for problem in problems), problems
    assert any(f"the weights hold '{name}' in U8" in problem for problem in problems), problems


def test_a_stablelm_has_biased_norms_and_a_head_of_its_own() -> None:
    config = CONFIG | {
        "architectures": ["StableLmForCausalLM"],
        "model_type": "stablelm",
        "tie_word_embeddings": False,
        "use_qkv_bias": True,
        "use_parallel_residual": True,
    }

    (problem,) = problems_of(artifact() | {"config.json": json.dumps(config).encode()})

    # By hand: the biases of two norms and of queries, keys and values, and the head; one norm serves both halves.
    assert problem.startswith("the weights lack 'model.layers.0.input_layernorm.bias' and 5 more of 16 tensors")


def test_what_has_not_arrived_is_not_told_as_missing() -> None:
    files = {path: len(body) for path, body in artifact().items()}
    late = Contents(
        files, {"config.json": artifact()["config.json"]}, {}, missing=("model.safetensors", "tokenizer.json")
    )

    assert [problem for found in read_contents(late).findings for problem in found.problems] == []
    assert templates(files, late.documents) == ({}, [])


def test_every_problem_of_a_listing_is_told_at_once() -> None:
    problems = listing_problems({"a.bin": 1, "b.py": 1})

    assert [problem.split()[0] for problem in problems] == [
        "a.bin",
        "b.py",
        "config.json",
        "tokenizer.json",
        "model.safetensors",
    ]


def test_a_refusal_has_five_sentences_and_says_where_the_others_are() -> None:
    problems = [f"problem {number}" for number in range(7)]

    assert refusal(problems[:5], "r.json") == "; ".join(problems[:5])
    assert refusal(problems, "r.json") == "; ".join(problems[:5]) + "; and 2 more in r.json"
    assert finding(Check.FILES, problems).outcome == "failed"


@pytest.mark.parametrize(
    ("named", "found"),
    [
        pytest.param("plain", {"tokenizer_config.json chat_template": "plain"}, id="a lone one"),
        pytest.param(
            [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}],
            {"tokenizer_config.json chat_template default": "d", "tokenizer_config.json chat_template tool_use": "t"},
            id="named ones",
        ),
    ],
)
def test_a_template_in_the_tokenizer_s_config_is_a_template(named: object, found: dict[str, str]) -> None:
    documents = {"tokenizer_config.json": json.dumps({"chat_template": named}).encode()}

    assert templates(documents, documents) == (found, [])


@pytest.mark.parametrize(
    ("text", "because"),
    [(b'{"a": 1, "a": 2}', "sets 'a' twice"), (b"[Infinity]", "number Infinity"), (b"\xff", "not valid JSON")],
)
def test_json_that_readers_read_differently_is_no_json(text: bytes, because: str) -> None:
    with pytest.raises(JsonError, match=because):
        parse(text)


def test_json_is_read_as_everybody_reads_it() -> None:
    assert parse(b' {"a": [1, 2.5, "\\u00e9", null, true]} ') == {"a": [1, 2.5, "é", None, True]}
