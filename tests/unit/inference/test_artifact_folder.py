"""What the container loads and what it refuses, before a byte of weights is used."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artifact.folder import ArtifactRefusedError, check_folder

Change = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def listed(file: Path, **changes: Any) -> dict[str, Any]:
    content = file.read_bytes()
    return {
        "path": file.name,
        "sizeBytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **changes,
    }


def seal(folder: Path, **changed: dict[str, Any]) -> None:
    files = [listed(path, **changed.get(path.stem, {})) for path in sorted(folder.iterdir())]
    (folder / "manifest.json").write_text(json.dumps({"files": files}))


def test_a_complete_folder_is_accepted_with_and_without_a_manifest(folder: Path) -> None:
    check_folder(folder)
    (folder / "manifest.json").write_text("{}")
    check_folder(folder)
    (folder / "manifest.json").unlink()
    seal(folder)
    check_folder(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda at: (at / "pytorch_model.bin").touch(), r"pytorch_model\.bin is a pickle", id="pickle"),
        pytest.param(lambda at: (at / "WEIGHTS.PT").touch(), r"WEIGHTS\.PT is a pickle", id="pickle in capitals"),
        pytest.param(lambda at: (at / "modeling_x.py").touch(), r"modeling_x\.py is code", id="code"),
        pytest.param(
            lambda at: ((at / "deep").mkdir(), (at / "deep" / "x.pkl").touch()), r"deep/x\.pkl", id="pickle in a folder"
        ),
        pytest.param(lambda at: (at / "config.json").unlink(), r"config\.json is missing", id="no config"),
        pytest.param(lambda at: (at / "tokenizer.json").unlink(), r"tokenizer\.json is missing", id="no tokenizer"),
        pytest.param(lambda at: (at / "model.safetensors").unlink(), r"model\.safetensors is missing", id="no weights"),
        pytest.param(
            lambda at: (at / "config.json").write_text('{"auto_map": {"AutoModel": "x.Y"}}'),
            r'config\.json has "auto_map"',
            id="remote code in the config",
        ),
        pytest.param(
            lambda at: (at / "tokenizer_config.json").write_text('{"auto_map": {}}'),
            r'tokenizer_config\.json has "auto_map"',
            id="remote code in the tokenizer",
        ),
        pytest.param(lambda at: (at / "config.json").write_text("{"), r"config\.json is not JSON", id="broken config"),
        pytest.param(
            lambda at: (at / "config.json").write_text("[]"), r"config\.json holds a JSON list", id="no object"
        ),
    ],
)
def test_what_could_run_code_or_is_incomplete_is_refused_by_name(folder: Path, change: Change, reason: str) -> None:
    change(folder)

    with pytest.raises(ArtifactRefusedError, match=reason):
        check_folder(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))

    with pytest.raises(ArtifactRefusedError, match=r"model-00002-of-00002\.safetensors and 0 more of 2 shards"):
        check_folder(folder)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"sizeBytes": 8}, "model.safetensors has 7 bytes, its manifest says 8", id="size"),
        pytest.param({"sha256": "0" * 64}, "model.safetensors has SHA-256 .*, its manifest says 0{64}", id="digest"),
        pytest.param(
            {"path": "other"}, "model.safetensors lies in the artifact but not in its manifest", id="unlisted"
        ),
    ],
)
def test_bytes_that_differ_from_the_manifest_are_refused(folder: Path, changed: dict[str, Any], reason: str) -> None:
    seal(folder, model=changed)

    with pytest.raises(ArtifactRefusedError, match=reason):
        check_folder(folder)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("manifest.json", {"files": ["config.json"]}, "does not list its files as objects", id="names"),
        pytest.param("manifest.json", {"files": [{"path": "config.json"}]}, "does not list its files", id="no digest"),
        pytest.param("manifest.json", {"files": 7}, "does not list its files", id="a number"),
        pytest.param("model.safetensors.index.json", {"weight_map": []}, "weight_map of .* is no object", id="index"),
    ],
)
def test_a_list_of_files_in_another_shape_is_refused_in_words(
    folder: Path, name: str, content: dict[str, Any], reason: str
) -> None:
    (folder / name).write_text(json.dumps(content))

    with pytest.raises(ArtifactRefusedError, match=reason):
        check_folder(folder)


def test_a_file_that_only_the_manifest_knows_is_refused(folder: Path) -> None:
    (folder / "vocab.txt").write_text("a")
    seal(folder)
    (folder / "vocab.txt").unlink()

    with pytest.raises(ArtifactRefusedError, match=r"vocab\.txt is in the manifest but not in the artifact"):
        check_folder(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactRefusedError, match="does not exist"):
        check_folder(tmp_path / "model")
