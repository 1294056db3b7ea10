"""An artifact's contents as far as they were read, and what they say when they are laid side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from release.domain.examination.architecture import Architecture, read_architecture
from release.domain.examination.documents import document_problems, parsed
from release.domain.examination.listing import CONFIG, INDEX, WEIGHTS, is_weights, listing_problems
from release.domain.examination.report import Check, Finding, finding, skipped
from release.domain.examination.text import tokenizer_problems
from release.domain.examination.weights import (
    Census,
    Tensors,
    census,
    index_problems,
    model_problems,
    read_headers,
    shard_problems,
)


@dataclass(frozen=True, slots=True)
class Contents:
    """What was read of an artifact.

    Args:
        files: path → bytes, every file that belongs to it.
        documents: path → text, of every file that `must_be_read` and is there.
        heads: path → first bytes up to the end of the header, of every weights file that is there.
        missing: paths of `files` that have not arrived.
        bytes_read: from the bucket.
        problems: found on the way, such as a tarball's members.
    """

    files: Mapping[str, int]
    documents: Mapping[str, bytes]
    heads: Mapping[str, bytes]
    missing: tuple[str, ...] = ()
    bytes_read: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """`model` and `census` are None where config.json or the weights could not be read."""

    findings: tuple[Finding, ...]
    model: Architecture | None
    census: Census | None


def read_contents(contents: Contents) -> Reading:
    """Every check that needs nothing but the artifact itself; none stops another."""
    found = [problem for path in sorted(contents.documents) for problem in _document(contents, path)]
    config = parsed(contents.documents, CONFIG)
    read = read_architecture(config) if config is not None else None
    model = read if isinstance(read, Architecture) else None
    tensors, broken = read_headers(contents.files, contents.heads)
    weights = _weights(contents, tensors, broken, model)
    complete = tensors.keys() == {path for path in contents.files if is_weights(path)}
    counted = census(model, tensors) if tensors and complete else None
    return Reading(
        findings=(
            finding(Check.FILES, _files(contents), f"{len(contents.files)} files"),
            finding(Check.CONFIG, [*found, *(read if isinstance(read, list) else ())], model.name if model else ""),
            finding(Check.TOKENIZER, tokenizer_problems(contents.documents, model)),
            _weights_finding(weights, counted),
        ),
        model=model,
        census=counted if not weights else None,
    )


def _files(contents: Contents) -> list[str]:
    """A tarball that could not be unpacked says nothing of which files are missing."""
    if contents.problems and not contents.files:
        return list(contents.problems)
    return [*contents.problems, *listing_problems(contents.files)]


def _document(contents: Contents, path: str) -> list[str]:
    """The index has rules of its own."""
    if path == INDEX or not path.endswith(".json"):
        return []
    return document_problems(path, contents.documents[path])


def _weights(contents: Contents, tensors: Tensors, broken: list[str], model: Architecture | None) -> list[str]:
    """What is wrong with the index first, because a missing shard explains everything else."""
    index = contents.documents.get(INDEX)
    problems = broken + (index_problems(contents.files, index) if index is not None else [])
    unread = [path for path in contents.files if is_weights(path) and path not in contents.heads]
    if problems or unread or not tensors or INDEX in contents.missing:
        return problems
    return list(shard_problems(index, tensors)) or list(_against_config(model, tensors))


def _against_config(model: Architecture | None, tensors: Tensors) -> Iterator[str]:
    if model is not None:
        yield from model_problems(model, tensors)


def _weights_finding(problems: list[str], counted: Census | None) -> Finding:
    if problems or counted is None:
        return finding(Check.WEIGHTS, problems) if problems else skipped(Check.WEIGHTS, f"{WEIGHTS} could not be read")
    dtypes = ", ".join(f"{size} bytes in {dtype}" for dtype, size in counted.bytes_by_dtype.items())
    return finding(Check.WEIGHTS, note=f"{counted.parameters} parameters in {counted.tensors} tensors: {dtypes}")
