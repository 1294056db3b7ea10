"""Tarballs within bounds are read to the end; bombs stop where the bound is. The hostile corpus has the sentences."""

import gzip
import io
from typing import IO, cast

import pytest

from release.adapters import tarballs
from release.adapters.tarballs import regular_members
from release.errors import ArtifactRejectedError
from tests.builders.artifacts import artifact, tarball


class Wire(io.BytesIO):
    """Counts what was taken of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        self.taken += len(chunk)
        return chunk


def unpacked(wire: io.BytesIO) -> dict[str, bytes]:
    return {member.path: member.body.read(member.size) for member in regular_members(cast("IO[bytes]", wire), "key")}


def test_every_member_comes_with_its_bytes() -> None:
    assert unpacked(Wire(tarball({f"./{path}": body for path, body in artifact().items()}))) == artifact()


def test_gzip_in_several_parts_is_one_stream() -> None:
    plain = gzip.decompress(tarball(artifact()))

    assert unpacked(Wire(gzip.compress(plain[:700]) + gzip.compress(plain[700:]))) == artifact()


def test_a_bomb_is_not_unpacked_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarballs, "_RATIO_FROM_BYTES", 2**20)
    bomb = tarball({"a.txt": bytes(64 * 2**20)})
    wire = Wire(bomb)

    with pytest.raises(ArtifactRejectedError, match="unpacks to more than 100 times its size"):
        unpacked(wire)

    assert wire.taken < len(bomb)


def test_what_hides_behind_the_last_member_is_read_for_its_checksum() -> None:
    sound = tarball(artifact())
    broken = sound[:-8] + bytes([sound[-8] ^ 1]) + sound[-7:]

    with pytest.raises(ArtifactRejectedError, match="CRC check failed"):
        unpacked(Wire(broken))
