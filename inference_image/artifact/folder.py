"""Which model folders may be loaded: safetensors and text only, every byte as the manifest says."""

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

_PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".h5"})
_CODE = frozenset({".py", ".pyc", ".pyd", ".so", ".sh"})
_REQUIRED = ("config.json", "tokenizer.json")
_MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20


class ArtifactRefusedError(Exception):
    """The model folder must not or cannot be loaded; the message names the file. Retrying the same bytes is useless."""


def check_folder(folder: Path) -> str:
    """Refuse what could execute code, what is incomplete and what differs from the manifest.

    A manifest without a list of files promises nothing, so nothing is compared.

    Returns:
        SHA-256, 64 hexadecimal digits, over the sorted path, size and SHA-256 of the files but the manifest, computed
        from the bytes that lie here. It is the artifact's id where the drop's manifest listed its files.

    Raises:
        ArtifactRefusedError: with one sentence that names the file.
    """
    if not folder.is_dir():
        raise ArtifactRefusedError(f"the model folder {folder} does not exist; mount the artifact there")
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    for name in sorted(paths):
        _refuse_executable(name)
    for name in _REQUIRED:
        if name not in paths:
            raise ArtifactRefusedError(f"{name} is missing from the artifact; add it and drop the artifact again")
    _check_weights(paths)
    for name in ("config.json", "tokenizer_config.json"):
        if name in paths:
            _refuse_remote_code(name, paths[name])
    manifest = _read_json(_MANIFEST, paths[_MANIFEST]) if _MANIFEST in paths else {}
    _verify_names_and_sizes(manifest, paths)
    digests = {name: _sha256(path) for name, path in sorted(paths.items()) if name != _MANIFEST}
    _verify_digests(manifest, digests)
    rows = [[name, paths[name].stat().st_size, f"sha256:{digest}"] for name, digest in digests.items()]
    return hashlib.sha256(json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def _refuse_executable(name: str) -> None:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _PICKLES:
        raise ArtifactRefusedError(f"{name} is a pickle or another format that can run code; save it as safetensors")
    if suffix in _CODE:
        raise ArtifactRefusedError(f"{name} is code; an artifact holds weights and text only, so remove it")


def _check_weights(paths: dict[str, Path]) -> None:
    index = "model.safetensors.index.json"
    if index in paths:
        weight_map = _read_json(index, paths[index]).get("weight_map", {})
        if not isinstance(weight_map, dict):
            raise ArtifactRefusedError(f"weight_map of {index} is no object; save the model again")
        shards = sorted({str(shard) for shard in weight_map.values()})
        missing = [shard for shard in shards if shard not in paths]
        if missing or not shards:
            named = f"{missing[0]} and {len(missing) - 1} more of {len(shards)} shards" if missing else "every shard"
            raise ArtifactRefusedError(f"{index} names {named} that the artifact lacks; upload all shards")
    elif "model.safetensors" not in paths:
        raise ArtifactRefusedError("model.safetensors is missing from the artifact; save the weights as safetensors")


def _refuse_remote_code(name: str, path: Path) -> None:
    if "auto_map" in _read_json(name, path):
        raise ArtifactRefusedError(f'{name} has "auto_map", which asks for code from the artifact; remove it')


def _listed(manifest: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """Size in bytes and SHA-256 by path."""
    try:
        return {entry["path"]: (entry["sizeBytes"], entry["sha256"]) for entry in manifest["files"]}
    except (KeyError, TypeError) as error:
        raise ArtifactRefusedError(
            f"{_MANIFEST} does not list its files as objects with path, sizeBytes and sha256; mend or empty it"
        ) from error


def _verify_names_and_sizes(manifest: dict[str, Any], paths: dict[str, Path]) -> None:
    if manifest.get("files") is None:
        return
    listed = _listed(manifest)
    for name in sorted(set(paths) - set(listed) - {_MANIFEST}):
        raise ArtifactRefusedError(f"{name} lies in the artifact but not in its manifest; list it or remove it")
    for name, (size_bytes, _) in listed.items():
        if name not in paths:
            raise ArtifactRefusedError(f"{name} is in the manifest but not in the artifact; upload it")
        size = paths[name].stat().st_size
        if size != size_bytes:
            raise ArtifactRefusedError(f"{name} has {size} bytes, its manifest says {size_bytes}")


def _verify_digests(manifest: dict[str, Any], digests: dict[str, str]) -> None:
    if manifest.get("files") is None:
        return
    for name, (_, sha256) in _listed(manifest).items():
        found = digests.get(name, "of no meaning here")  # a manifest cannot list itself
        if found != sha256:
            raise ArtifactRefusedError(f"{name} has SHA-256 {found}, its manifest says {sha256}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _read_json(name: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ArtifactRefusedError(f"{name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ArtifactRefusedError(f"{name} holds a JSON {type(content).__name__}, not an object")
    return content
