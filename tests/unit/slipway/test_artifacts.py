"""What the client says about a folder before it uploads it."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from slipway.artifacts import ArtifactFile, manifest_of, read_artifact
from slipway.errors import ArtifactFolderError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny-model"
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{}")
    (folder / "sub" / "model.safetensors").write_bytes(b"123456789")
    return folder


def test_checksums_are_those_of_the_published_check_values(folder: Path) -> None:
    # CRC-32 of "123456789" is 0xCBF43926, the check value of the CRC catalogue; SHA-256 by sha256sum.
    file = ArtifactFile.read(folder, folder / "sub" / "model.safetensors")

    assert file.path == "sub/model.safetensors"
    assert file.size_bytes == 9
    assert file.crc32 == "y/Q5Jg=="
    assert file.sha256 == "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"


def test_manifest_fits_the_contract(folder: Path) -> None:
    schema: dict[str, Any] = json.loads((ROOT / "events/artifact/manifest.schema.json").read_bytes())

    manifest = manifest_of(folder, read_artifact(folder), {"bakeSeconds": 5})

    Draft202012Validator(schema).validate(manifest)
    assert manifest["name"] == "tiny-model"
    assert [entry["path"] for entry in manifest["files"]] == ["config.json", "sub/model.safetensors"]


def test_the_folders_own_manifest_keeps_its_words_but_not_its_file_list(folder: Path) -> None:
    own = {"name": "SmolLM2", "license": "Apache-2.0", "files": [{"path": "gone"}], "config": {"bakeSeconds": 60}}
    (folder / "manifest.json").write_text(json.dumps(own))

    manifest = manifest_of(folder, read_artifact(folder), None)

    assert (manifest["name"], manifest["license"], manifest["config"]) == ("SmolLM2", "Apache-2.0", {"bakeSeconds": 60})
    assert [entry["path"] for entry in manifest["files"]] == ["config.json", "sub/model.safetensors"]


def test_a_pickle_is_uploaded_so_that_the_examination_can_refuse_it(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")

    assert "pytorch_model.bin" in [file.path for file in read_artifact(folder)]


def test_hidden_files_stay_here(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")

    assert [file.path for file in read_artifact(folder)] == ["config.json", "sub/model.safetensors"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        pytest.param("empty.json", b"", "empty.json has 0 bytes", id="an empty object breaks the load"),
        pytest.param("my model.json", b"x", "white space", id="a blank in a name"),
        pytest.param("n" * 250 + ".json", b"x", "", id="255 bytes are allowed"),
        pytest.param("d/" + "n" * 249 + ".json", b"x", "256 bytes long, over the limit of 255", id="256 bytes are not"),
    ],
)
def test_a_file_that_sagemaker_cannot_load_is_refused_by_name(
    folder: Path, name: str, content: bytes, sentence: str
) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)

    if not sentence:
        assert name in [file.path for file in read_artifact(folder)]
    else:
        with pytest.raises(ArtifactFolderError, match=sentence):
            read_artifact(folder)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_no_files_are_no_artifact(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(ArtifactFolderError, match=r"give the folder that holds config\.json"):
        read_artifact(tmp_path / name)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_manifest_is_refused_before_anything_is_sent(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)

    with pytest.raises(ArtifactFolderError, match="mend or delete it"):
        manifest_of(folder, read_artifact(folder), None)
