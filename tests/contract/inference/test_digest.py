"""The container recomputes, from the bytes that it loads, the id that the release gave the artifact."""

import hashlib
from pathlib import Path

import pytest

from artifact.folder import check_folder
from release.domain.identity import SealedFile, artifact_id

FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "model.safetensors": b"\x00" * 100,
    "original/ä.txt": b"deep",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "manifest.json").write_text("{}")
    return tmp_path


def test_the_container_and_the_release_give_the_same_bytes_the_same_id(folder: Path) -> None:
    sealed = (
        SealedFile(name, len(content), f"sha256:{hashlib.sha256(content).hexdigest()}")
        for name, content in FILES.items()
    )

    assert check_folder(folder) == artifact_id(sealed)


def test_another_byte_is_another_artifact_and_another_manifest_is_not(folder: Path) -> None:
    before = check_folder(folder)
    (folder / "manifest.json").write_text('{"name": "another"}')
    same = check_folder(folder)
    (folder / "tokenizer.json").write_bytes(b'{"f": 1}')

    assert before == same
    assert check_folder(folder) != before
