import json
from collections.abc import Mapping

import pytest

from release.domain.examination import (
    INDEX,
    content_problems,
    index_problems,
    is_weights,
    listing_problems,
    must_be_read,
)
from tests.builders.artifacts import artifact, safetensors, sharded


def judged(files: Mapping[str, bytes]) -> list[str]:
    sizes = {path: len(body) for path, body in files.items()}
    documents = {path: body for path, body in files.items() if must_be_read(path)}
    heads = {path: body for path, body in files.items() if is_weights(path)}
    return listing_problems(sizes) or content_problems(sizes, documents, heads)


@pytest.mark.parametrize("files", [artifact(), sharded()], ids=["one file", "two shards"])
def test_a_sound_artifact_has_no_problem(files: dict[str, bytes]) -> None:
    extras = {"generation_config.json": b"{}", "LICENSE": b"x", "README.md": b"x", "chat_template.jinja": b"x"}

    assert judged(files | extras) == []


@pytest.mark.parametrize(
    ("path", "because"),
    [
        ("pytorch_model.bin", "pickle"),
        ("deep/er/model.PT", "pickle"),
        ("weights.pth", "pickle"),
        ("a.pkl", "pickle"),
        ("a.ckpt", "pickle"),
        ("modeling_llama.py", "is code"),
        ("run.sh", "is code"),
        ("model.gguf", "no kind that an artifact may hold"),
        ("Makefile", "no kind that an artifact may hold"),
        ("deep/", "empty folder object"),
        ("deep//a.json", "'..' part"),
        ("deep/../a.json", "'..' part"),
        ("./a.json", "'..' part"),
        ("é" * 126 + ".json", "257 bytes, the limit is 255"),
    ],
)
def test_a_file_that_may_not_be_there_is_named_with_the_reason(path: str, because: str) -> None:
    (problem,) = judged(artifact() | {path: b"{}"})

    assert problem.startswith(path[:50])
    assert because in problem


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        pytest.param({"tokenizer.json": b""}, "tokenizer.json is empty", id="an empty file"),
        pytest.param({"a": b"1", "a/b.json": b"1"}, "a is both a file and a folder", id="a file that is a folder"),
        pytest.param({"manifest.json": b"{}"}, "manifest.json is listed as one of the files", id="the seal as a file"),
        pytest.param({"config.json": b" " * 16_000_001}, "config.json has 16000001 bytes", id="an endless config"),
        pytest.param({"config.json": b"{"}, "config.json is not valid JSON", id="half a config"),
        pytest.param(
            {"config.json": b"[" * 9999}, "config.json is not valid JSON", id="a config that nests without end"
        ),
        pytest.param({"config.json": b"[]"}, "config.json is not a JSON object", id="a list for a config"),
        pytest.param({"config.json": b"{}"}, "names no 'model_type'", id="a config of no model"),
        pytest.param({"model.safetensors": b"1234"}, "model.safetensors has 4 bytes", id="weights that are no weights"),
        pytest.param(
            {"config.json": b'{"model_type": "llama", "auto_map": {"AutoModel": "x.Y"}}'}, "'auto_map'", id="auto_map"
        ),
        pytest.param(
            {"config.json": b'{"model_type": "llama", "a": [{"_attn_implementation_internal": "org/kernel"}]}'},
            "'_attn_implementation_internal'",
            id="a kernel from elsewhere, deep inside",
        ),
        pytest.param(
            {"tokenizer_config.json": b'{"trust_remote_code": true}'},
            "tokenizer_config.json sets",
            id="a tokenizer's code",
        ),
    ],
)
def test_a_broken_file_is_refused_in_one_sentence(files: dict[str, bytes], sentence: str) -> None:
    problems = judged(artifact() | files)

    assert any(sentence in problem for problem in problems), problems


def test_a_dangerous_key_that_is_switched_off_is_harmless() -> None:
    config = b'{"model_type": "llama", "trust_remote_code": false, "auto_map": null}'

    assert judged(artifact() | {"config.json": config}) == []


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("config.json", "config.json is missing"),
        ("tokenizer.json", "tokenizer.json is missing, and so is tokenizer.model"),
        ("model.safetensors", "model.safetensors is missing"),
    ],
)
def test_what_every_artifact_needs_is_missed_by_name(missing: str, sentence: str) -> None:
    files = artifact()
    del files[missing]

    assert any(problem.startswith(sentence) for problem in judged(files))


def test_a_sentencepiece_tokenizer_is_a_tokenizer() -> None:
    files = artifact()
    files["tokenizer.model"] = files.pop("tokenizer.json")

    assert judged(files) == []


def test_a_shard_that_the_index_names_and_nobody_uploaded_is_named() -> None:
    files = sharded()
    del files["model-2.safetensors"]

    assert judged(files) == [
        f"model-2.safetensors is missing, though {INDEX} names it; upload every shard before the seal"
    ]


def test_shards_without_an_index_cannot_be_put_together() -> None:
    files = sharded()
    del files[INDEX]

    (problem,) = judged(files)
    assert problem.startswith(f"{INDEX} is missing")


def test_a_tensor_in_the_wrong_shard_is_found_in_the_headers() -> None:
    files = sharded() | {"model-2.safetensors": safetensors({"other": (1,)})}

    (problem,) = judged(files)
    assert problem.startswith("model-2.safetensors lacks tensor 'b'")


@pytest.mark.parametrize(
    "index", [b"{", b"{}", b'{"weight_map": {}}', b'{"weight_map": {"a": 1}}', b'{"weight_map": ["a"]}', b"[" * 9999]
)
def test_an_index_that_maps_nothing_is_refused(index: bytes) -> None:
    (problem,) = index_problems({}, index)

    assert problem.startswith(INDEX)


def test_a_shard_with_a_broken_header_is_named_once() -> None:
    files = sharded() | {"model-2.safetensors": b"1234"}

    assert [problem for problem in judged(files) if "model-2" in problem] == [
        "model-2.safetensors has 4 bytes and is too short for a safetensors file; upload it again"
    ]


def test_every_problem_of_a_listing_is_told_at_once() -> None:
    problems = listing_problems({"a.bin": 1, "b.py": 1})

    assert [problem.split()[0] for problem in problems] == [
        "a.bin",
        "b.py",
        "config.json",
        "tokenizer.json",
        "model.safetensors",
    ]
    assert json.dumps(problems)
