"""Reading an artifact: names, documents and the heads of its weights; never the weights themselves."""

from collections.abc import Mapping

from release.domain.examination.contents import Contents
from release.domain.examination.listing import is_weights, must_be_read, readable
from release.domain.keys import Source
from release.domain.safetensors import LENGTH_BYTES, HeaderError, header_length
from release.errors import ArtifactRejectedError
from release.ports import ArtifactStore, Member

FIRST_BYTES = 65_536
"""Most headers are shorter, so that one request reads each."""


def prefix_contents(
    artifacts: ArtifactStore, source: Source, files: Mapping[str, int], held: Mapping[str, int]
) -> Contents:
    """What lies under a prefix.

    Args:
        files: path → bytes as the manifest declares them.
        held: path → bytes of what is there.
    """
    there = {path: held[path] for path in sorted(files) if path in held}
    documents = {
        path: artifacts.read(source.key + path)
        for path, size in there.items()
        if must_be_read(path) and readable(path, size) and size
    }
    heads = {
        path: _head(artifacts, source.key + path, size) for path, size in there.items() if is_weights(path) and size
    }
    return Contents(
        files={**files, **there},
        documents=documents,
        heads=heads,
        missing=tuple(sorted(files.keys() - held.keys())),
        bytes_read=sum(map(len, documents.values()))
        + sum(max(len(head), _first(there[path])) for path, head in heads.items()),
    )


def _first(size: int) -> int:
    """Bytes that the first request for a header brings, whatever of them is the header."""
    return min(size, FIRST_BYTES)


def _head(artifacts: ArtifactStore, key: str, size: int) -> bytes:
    """The header, or as much as tells that there is none."""
    first = artifacts.read(key, length=FIRST_BYTES)
    try:
        end = LENGTH_BYTES + header_length(first, size)
    except HeaderError:
        return first[:LENGTH_BYTES]
    return first[:end] if end <= len(first) else first + artifacts.read(key, start=len(first), length=end - len(first))


def tarball_contents(artifacts: ArtifactStore, source: Source, size: int, checksum: str) -> Contents:
    """One pass: what is wanted of each member is taken while its bytes go by. What cannot be unpacked ends it."""
    files: dict[str, int] = {}
    documents: dict[str, bytes] = {}
    heads: dict[str, bytes] = {}
    problems: list[str] = []
    try:
        for member in artifacts.members(source.key, checksum):
            if member.path in files:
                problems.append(f"{member.path} lies twice in {source.key}; pack it once")
                continue
            files[member.path] = member.size
            if must_be_read(member.path) and readable(member.path, member.size):
                documents[member.path] = member.body.read(member.size)
            elif is_weights(member.path):
                heads[member.path] = _head_of(member)
    except ArtifactRejectedError as error:
        # What came before it would be told of half an artifact.
        return Contents({}, {}, {}, bytes_read=size, problems=(*problems, str(error)))
    return Contents(files, documents, heads, bytes_read=size, problems=tuple(problems))


def _head_of(member: Member) -> bytes:
    first = member.body.read(LENGTH_BYTES)
    try:
        return first + member.body.read(header_length(first, member.size))
    except HeaderError:
        return first
