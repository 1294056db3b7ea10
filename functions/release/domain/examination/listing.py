"""What the mere names and sizes of an artifact's files allow.

Weights are safetensors and nothing else, because formats built on pickle run code when they are loaded, and scanners
miss some of it. An allow-list of kinds keeps out the other ways to bring code along.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from release.domain.golden import GOLDEN
from release.domain.golden import MAX_BYTES as MAX_GOLDEN_BYTES
from release.domain.keys import MANIFEST

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"
SIGNATURE = "model.sig"

MAX_FILES = 1000
MAX_PATH_BYTES = 255
MAX_DOCUMENT_BYTES = 16_000_000
"""Of a JSON document that the examination reads; the index of a model with 100,000 tensors has about 10 MB."""
MAX_TEMPLATE_BYTES = 200_000
MAX_TOKENIZER_BYTES = 40_000_000
"""The largest vocabulary in use, of 256,000 tokens, takes 33 MB."""

_ALLOWED_SUFFIXES = frozenset({".safetensors", ".json", ".jsonl", ".model", ".txt", ".jinja", ".md"})
_ALLOWED_NAMES = frozenset({"LICENSE", "NOTICE", ".gitattributes", SIGNATURE})
_PICKLES = frozenset(
    {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".msgpack", ".h5", ".keras"}
)
_CODE = frozenset({".py", ".pyc", ".pyd", ".pyx", ".so", ".sh", ".dll", ".dylib", ".ipynb", ".whl", ".pth", ".exe"})


def is_weights(path: str) -> bool:
    """Whether the examination needs the file's safetensors header."""
    return path.endswith(".safetensors")


def is_template(path: str) -> bool:
    return path.endswith(".jinja")


def must_be_read(path: str) -> bool:
    """Whether the examination needs the file's whole text."""
    return path.endswith(".json") or is_template(path) or path in {SIGNATURE, GOLDEN}


def readable(path: str, size: int) -> bool:
    """Whether a file that `must_be_read` is small enough for it; `listing_problems` tells of one that is not."""
    return size <= _most(path)


def _most(path: str) -> int:
    if is_template(path):
        return MAX_TEMPLATE_BYTES
    if path == GOLDEN:
        return MAX_GOLDEN_BYTES
    return MAX_TOKENIZER_BYTES if path == TOKENIZER else MAX_DOCUMENT_BYTES


def listing_problems(files: Mapping[str, int]) -> list[str]:
    """What is wrong with names and sizes (path → bytes), in the order of the paths.

    The rules of names are SageMaker's for an S3 prefix that it loads without compression ("Deploying uncompressed
    models", Amazon SageMaker AI Developer Guide; S3ModelDataSource, API reference).
    """
    problems = [problem for path, size in sorted(files.items()) for problem in _file_problems(path, size)]
    if len(files) > MAX_FILES:
        problems.append(f"the artifact has {len(files)} files, the limit is {MAX_FILES}; leave out what is not served")
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    problems += [f"{path} is both a file and a folder; rename one of them" for path in sorted(folders & files.keys())]
    if MANIFEST in files:
        problems.append(f"{MANIFEST} is listed as one of the files, but it only seals them; take it off the list")
    if CONFIG not in files:
        problems.append(f"{CONFIG} is missing; upload the model's {CONFIG} before the seal")
    if TOKENIZER not in files:
        problems.append(f"{TOKENIZER} is missing, and the image reads no other form of a tokenizer; save it as that")
    if not any(is_weights(path) for path in files):
        problems.append(f"{WEIGHTS} is missing; save the weights as safetensors and upload them before the seal")
    return problems


def _file_problems(path: str, size: int) -> Iterator[str]:
    parts = path.split("/")
    name, suffix = parts[-1], PurePosixPath(path).suffix.lower()
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        length = len(path.encode("utf-8", "surrogatepass"))
        yield f"{path[:60]}… has a path of {length} bytes, the limit is {MAX_PATH_BYTES}; shorten it"
    elif path.endswith("/"):
        yield f"{path} is an empty folder object, which SageMaker cannot load; delete it"
    elif not path.isprintable() or "\\" in path or path != path.strip():
        yield f"{path!r} has a character in its name that file systems and shells read differently; rename it"
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
    elif must_be_read(path) and size > _most(path):
        yield f"{path} has {size} bytes, the limit is {_most(path)}; a model's file of this name is never so long"
