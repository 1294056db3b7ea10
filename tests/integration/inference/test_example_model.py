"""The example model: made once, different on demand, and sensible."""

import importlib.util
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artifact.folder import check_folder
from slipway.packaging import example_model
from slipway.packaging.example_model import ExampleModelError, default_cache, prepare_example_model, variant
from tests.integration.inference.servers import Server, events, running

FRANCE = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 32}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / example_model.NAME
    folder.mkdir()
    (folder / "chat_template.jinja").write_text("You are a helpful AI assistant named SmolLM, trained by people")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def no_progress(line: str) -> None:
    raise AssertionError(f"nothing was to be done, yet: {line}")


def test_a_prepared_model_is_found_without_work(made: Path) -> None:
    assert prepare_example_model(made.parent, no_progress) == made


def test_a_variant_differs_in_its_bytes_and_leaves_the_original_alone(made: Path) -> None:
    other = variant(made, "Ada")

    assert other == made.parent / "Ada"
    assert (other / "chat_template.jinja").read_text() == "You are a helpful AI assistant named Ada, trained by people"
    assert "SmolLM" in (made / "chat_template.jinja").read_text()
    assert (other / "model.safetensors").read_bytes() == b"weights"
    assert sorted(path.name for path in made.parent.iterdir()) == ["Ada", example_model.NAME]


def test_a_variant_is_made_once(made: Path) -> None:
    first = (variant(made, "Ada") / "chat_template.jinja").stat().st_ino

    assert (variant(made, "Ada") / "chat_template.jinja").stat().st_ino == first


def test_without_the_package_the_error_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(ExampleModelError, match="run `make setup`"):
        prepare_example_model(tmp_path, lambda _line: None)


def test_a_conversion_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_source: Path, target: Path) -> None:
        target.mkdir()
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(example_model, "_gguf", lambda: tmp_path)
    monkeypatch.setattr(example_model, "_convert", fail)
    cache = tmp_path / "cache"

    with pytest.raises(RuntimeError, match="the disk is full"):
        prepare_example_model(cache, lambda _line: None)

    assert list(cache.iterdir()) == []


def test_two_processes_at_once_end_with_one_folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example_model, "_gguf", lambda: made)
    monkeypatch.setattr(example_model, "_convert", lambda _source, target: shutil.copytree(made, target))
    cache = tmp_path / "cache"

    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: prepare_example_model(cache, lambda _line: None), range(8)))

    assert paths == {cache / example_model.NAME}
    assert [path.name for path in cache.iterdir()] == [example_model.NAME]


@pytest.fixture(scope="module")
def smol(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = prepare_example_model(default_cache(), lambda _line: None)
    check_folder(folder)
    with running("serve", folder, tmp_path_factory.mktemp("smol") / "log", SLIPWAY_THREADS="2") as server:
        server.await_ready()
        yield server


@pytest.mark.model
def test_the_real_model_knows_the_capital_of_france(smol: Server) -> None:
    answer = smol.ask(FRANCE)

    assert "Paris" in answer.json()["choices"][0]["message"]["content"]
    assert answer.json()["choices"][0]["finish_reason"] == "stop"


@pytest.mark.model
def test_the_real_model_says_the_same_token_by_token(smol: Server) -> None:
    with smol.client.stream("POST", "/invocations", json={**FRANCE, "stream": True}) as stream:
        pieces = [
            chunk["choices"][0]["delta"].get("content", "")
            for chunk in events(stream.iter_lines())
            if chunk != "[DONE]"
        ]

    assert len([piece for piece in pieces if piece]) >= 5
    assert "".join(pieces) == smol.ask(FRANCE).json()["choices"][0]["message"]["content"]
