"""Where a model comes from: a folder in the form of Hugging Face, the hub at a pinned revision, or a GGUF file."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.domain.examination.listing import CONFIG, INDEX, TOKENIZER
from release.domain.strict_json import JsonError, parse_object
from slipway.packaging.errors import HubUnreachableError, PackageRefusedError
from slipway.packaging.tensors import FolderTensors, TensorSource, shards_in

# Text that serves or explains the model. Everything else in a repository stays where it is.
DOCUMENTS = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model"),
    *("vocab.json", "merges.txt", "generation_config.json", "chat_template.jinja", "golden.jsonl"),
    *("README.md", "LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE", "NOTICE.md", "NOTICE.txt"),
)
_WEIGHTS_PATTERNS = ("model.safetensors", "model-*-of-*.safetensors", INDEX)
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_REVISION = re.compile(r"[0-9a-f]{40}")
_READ_BYTES = 4 * 2**20

Count = Callable[[int], None]
"""Told how many bytes more were done."""


@dataclass(frozen=True)
class InputFile:
    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class ModelSource:
    """A model before it is packaged.

    Args:
        name: what people call it.
        origin: where it came from, for people and the bill of materials; never a path of this machine.
        documents: folder whose `DOCUMENTS` belong to it.
        config: config.json, checked for nothing yet.
        folder: where its safetensors files lie as they are; None if they have to be converted.
        inputs: every file that the artifact is made of.
    """

    name: str
    origin: str
    revision: str
    documents: Path
    config: Mapping[str, Any]
    tensors: TensorSource
    folder: Path | None
    inputs: tuple[InputFile, ...]


def hub_id_of(source: str) -> str | None:
    """The hub's repository that the text names; None for what lies on this machine."""
    return source if not Path(source).exists() and _HUB_ID.fullmatch(source) else None


def download(repository: str, revision: str | None, progress: Callable[[str], None]) -> Path:
    """The repository's allow-listed files at one commit, in the hub's own cache; what is there is not fetched again.

    Raises:
        PackageRefusedError: the revision is not a commit, so that the same command could mean other bytes tomorrow.
        HubUnreachableError: no network, no such repository or commit, or a gated one.
    """
    if revision is None or not _REVISION.fullmatch(revision):
        raise PackageRefusedError(
            f"{repository} needs --revision with the 40 hex digits of a commit, because a branch or a tag can move; "
            f"the page https://huggingface.co/{repository}/commits/main lists them"
        )
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - half a second that a local source does not need
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError  # noqa: PLC0415 - same

    progress(f"Fetching {repository} at {revision[:12]} from the hub")
    try:
        found = snapshot_download(
            repository, revision=revision, allow_patterns=[CONFIG, *DOCUMENTS, *_WEIGHTS_PATTERNS]
        )
    except GatedRepoError as error:
        raise HubUnreachableError(
            f"{repository} is gated; accept its terms on https://huggingface.co/{repository} and run `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise HubUnreachableError(
            f"the hub has no repository {repository}, or none that you may read; mend the name or run `hf auth login`"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise HubUnreachableError(
            f"the hub is out of reach, so {repository} could not be fetched ({_first_line(error)}); "
            "connect this machine, or download the files elsewhere and give their folder"
        ) from error
    return Path(found)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def folder_source(folder: Path, name: str, origin: str, revision: str, count: Count) -> ModelSource:
    """A folder with config.json, a tokenizer and safetensors.

    Raises:
        PackageRefusedError: a file is missing, is no JSON, or all weights are pickles.
    """
    config = read_json(folder / CONFIG)
    if not (folder / TOKENIZER).is_file():
        raise PackageRefusedError(
            f"{TOKENIZER} is missing in {folder.name}; save the tokenizer with transformers, "
            "AutoTokenizer.from_pretrained(…).save_pretrained(…)"
        )
    shards = _shards(folder)
    index = [INDEX] if (folder / INDEX).is_file() else []
    documents = [one for one in DOCUMENTS if (folder / one).is_file()]
    paths = sorted({CONFIG, *documents, *index, *shards})
    tensors = FolderTensors(folder, shards)
    inputs = tuple(read_input(folder / path, path, count) for path in paths)
    return ModelSource(name, origin, revision, folder, config, tensors, folder, inputs)


def source_bytes(folder: Path) -> int:
    """Of all files that `folder_source` will read."""
    names = {CONFIG, *DOCUMENTS, *_shards(folder)}
    return sum((folder / name).stat().st_size for name in names if (folder / name).is_file())


def _shards(folder: Path) -> list[str]:
    index = read_json(folder / INDEX) if (folder / INDEX).is_file() else None
    shards = shards_in(folder, index)
    if not (folder / shards[0]).is_file():
        raise PackageRefusedError(_no_weights(folder))
    return shards


def _no_weights(folder: Path) -> str:
    pickles = sorted({path.name for pattern in _PICKLES for path in folder.glob(pattern)})
    if pickles:
        return (
            f"{folder.name} holds {pickles[0]} and no safetensors, and a pickle runs code when it is opened; "
            "take a revision with safetensors, or convert it where nothing can be harmed"
        )
    ggufs = sorted(path.name for path in folder.glob("*.gguf"))
    if ggufs:
        return f"{folder.name} holds no model.safetensors but {ggufs[0]}; give that file instead of its folder"
    return f"model.safetensors is missing in {folder.name}; give a folder with config.json, tokenizer and safetensors"


def read_json(path: Path) -> dict[str, Any]:
    """Raises PackageRefusedError: the file is missing or holds no JSON object."""
    try:
        return parse_object(path.read_bytes())
    except FileNotFoundError as error:
        raise PackageRefusedError(
            f"{path.name} is missing in {path.parent.name}; give the folder that holds the model's config.json"
        ) from error
    except JsonError as error:
        raise PackageRefusedError(f"{path.name} {error}") from error


def read_input(path: Path, name: str, count: Count) -> InputFile:
    digest, size = hashlib.sha256(), 0
    for block in blocks_of(path):
        digest.update(block)
        size += len(block)
        count(len(block))
    return InputFile(name, size, digest.hexdigest())


def blocks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            yield block


def copy_documents(source: ModelSource, target: Path) -> None:
    """Everything of `DOCUMENTS` that the source has; hard facts about the files are left for the examination."""
    for name in DOCUMENTS:
        if (source.documents / name).is_file():
            shutil.copyfile(source.documents / name, target / name)


def canonical(document: Mapping[str, Any]) -> str:
    """One spelling for one value, for people to read."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
