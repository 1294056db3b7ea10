"""May this artifact be served? Every rule names the file, the reason and what to do, in one sentence.

Weights are safetensors and nothing else, because formats built on pickle run code when they are loaded, and scanners
miss some of it. An allow-list of names and a deny-list of config keys keep out the other ways to bring code along.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from release.domain.keys import MANIFEST
from release.domain.safetensors import HeaderError, Tensor, parse_header

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
TOKENIZERS = ("tokenizer.json", "tokenizer.model")

MAX_PATH_BYTES = 255
MAX_DOCUMENT_BYTES = 16_000_000
"""Of a JSON document that the examination reads; the index of a model with 100,000 tensors has about 10 MB."""

_ALLOWED_SUFFIXES = frozenset({".safetensors", ".json", ".jsonl", ".model", ".txt", ".jinja", ".md"})
_ALLOWED_NAMES = frozenset({"LICENSE", "NOTICE", ".gitattributes"})
_PICKLES = frozenset(
    {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".msgpack"}
)
_CODE = frozenset({".py", ".pyc", ".so", ".sh", ".dll", ".ipynb"})

# Keys through which a model library imports or fetches code while it reads a config.
_EXECUTING_KEYS = frozenset({"auto_map", "custom_pipelines", "trust_remote_code", "_attn_implementation_internal"})
_EXAMINED_DOCUMENTS = frozenset(
    {CONFIG, "tokenizer_config.json", "generation_config.json", "processor_config.json", "preprocessor_config.json"}
)


def must_be_read(path: str) -> bool:
    """Whether the examination needs the file's whole text."""
    return path in _EXAMINED_DOCUMENTS or path == INDEX


def is_weights(path: str) -> bool:
    """Whether the examination needs the file's safetensors header."""
    return path.endswith(".safetensors")


def listing_problems(files: Mapping[str, int]) -> list[str]:
    """What is wrong with the mere names and sizes (path → bytes), in the order of the paths."""
    problems = [problem for path, size in sorted(files.items()) for problem in _file_problems(path, size)]
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    problems += [f"{path} is both a file and a folder; rename one of them" for path in sorted(folders & files.keys())]
    if MANIFEST in files:
        problems.append(f"{MANIFEST} is listed as one of the files, but it only seals them; take it off the list")
    if CONFIG not in files:
        problems.append(f"{CONFIG} is missing; upload the model's {CONFIG} before the seal")
    if not any(name in files for name in TOKENIZERS):
        problems.append(f"{TOKENIZERS[0]} is missing, and so is {TOKENIZERS[1]}; upload one of them before the seal")
    if not any(is_weights(path) for path in files):
        problems.append(f"{WEIGHTS} is missing; save the weights as safetensors and upload them before the seal")
    return problems


def _file_problems(path: str, size: int) -> Iterator[str]:
    parts = path.split("/")
    name, suffix = parts[-1], PurePosixPath(path).suffix.lower()
    if len(path.encode()) > MAX_PATH_BYTES:
        yield f"{path[:60]}… has a path of {len(path.encode())} bytes, the limit is {MAX_PATH_BYTES}; shorten it"
    elif path.endswith("/"):
        yield f"{path} is an empty folder object, which SageMaker cannot load; delete it"
    elif any(part in {"", ".", ".."} for part in parts):
        yield f"{path} has an empty, '.' or '..' part, which SageMaker cannot load; rename it"
    elif suffix in _PICKLES:
        yield f"{path} may be a pickle, which runs code when it is loaded; convert the weights to safetensors"
    elif suffix in _CODE:
        yield f"{path} is code, and an artifact holds none; leave it out"
    elif suffix not in _ALLOWED_SUFFIXES and name not in _ALLOWED_NAMES:
        yield f"{path} is of no kind that an artifact may hold ({', '.join(sorted(_ALLOWED_SUFFIXES))}); leave it out"
    elif size == 0:
        yield f"{path} is empty; upload it again or leave it out"
    elif must_be_read(path) and size > MAX_DOCUMENT_BYTES:
        yield f"{path} has {size} bytes, the limit is {MAX_DOCUMENT_BYTES}; it cannot be a model's configuration"


def index_problems(files: Mapping[str, int], index: bytes) -> list[str]:
    """Shards that the index names and the artifact lacks. Can be told before the other files have arrived."""
    weight_map = _weight_map(index)
    if isinstance(weight_map, str):
        return [weight_map]
    missing = sorted(set(weight_map.values()) - files.keys())
    return [f"{shard} is missing, though {INDEX} names it; upload every shard before the seal" for shard in missing]


def content_problems(files: Mapping[str, int], documents: Mapping[str, bytes], heads: Mapping[str, bytes]) -> list[str]:
    """What is wrong inside the files.

    Args:
        files: path → bytes, every file of the artifact.
        documents: path → text, of every file that `must_be_read`.
        heads: path → first bytes up to the end of the header, of every file that `is_weights`.
    """
    problems = [problem for path, text in sorted(documents.items()) for problem in _document_problems(path, text)]
    tensors: dict[str, tuple[Tensor, ...]] = {}
    for path, head in sorted(heads.items()):
        try:
            tensors[path] = parse_header(head, files[path])
        except HeaderError as error:
            problems.append(f"{path} {error}")
    if INDEX in documents:
        problems += index_problems(files, documents[INDEX]) or _misplaced_tensors(documents[INDEX], tensors)
    elif WEIGHTS not in files:
        problems.append(f"{INDEX} is missing, though there is no single {WEIGHTS}; upload the index of the shards")
    return problems


def _document_problems(path: str, text: bytes) -> Iterator[str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        yield f"{path} is not valid JSON; upload it again"
        return
    if not isinstance(document, dict):
        yield f"{path} is not a JSON object; upload it again"
        return
    for key in sorted(_EXECUTING_KEYS & set(_keys(document))):
        yield f"{path} sets {key!r}, which makes the server run code from the artifact; remove it"
    if path == CONFIG and not document.get("model_type"):
        yield f"{path} names no 'model_type'; upload the config.json that was saved with the model"


def _keys(value: Any) -> Iterator[str]:
    """Every key that is set to anything but null or false, at any depth."""
    pending = [value]
    while pending:
        match pending.pop():
            case dict(entries):
                yield from (key for key, entry in entries.items() if entry not in (None, False))
                pending.extend(entries.values())
            case list(entries):
                pending.extend(entries)


def _weight_map(index: bytes) -> dict[str, str] | str:
    """Tensor → shard, or the sentence that says why there is none."""
    try:
        document = json.loads(index)
    except (ValueError, RecursionError):
        return f"{INDEX} is not valid JSON; upload it again"
    match document:
        case {"weight_map": dict(weight_map)} if weight_map and all(
            isinstance(shard, str) for shard in weight_map.values()
        ):
            return weight_map
    return f"{INDEX} has no 'weight_map' of tensors to shards; save the model again"


def _misplaced_tensors(index: bytes, tensors: Mapping[str, tuple[Tensor, ...]]) -> list[str]:
    weight_map = _weight_map(index)
    held = {path: {tensor.name for tensor in found} for path, found in tensors.items()}
    return [
        f"{shard} lacks tensor {name!r}, which {INDEX} puts there; save the model again"
        for name, shard in sorted(weight_map.items() if isinstance(weight_map, dict) else ())
        if shard in held and name not in held[shard]
    ]
