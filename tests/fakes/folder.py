"""The artifact bucket as a folder, for artifacts that are too large for memory. It counts what is read."""

from pathlib import Path

from release.errors import ArtifactIncompleteError
from release.ports import StoredObject
from tests.fakes.artifacts import FakeArtifacts


class FolderArtifacts(FakeArtifacts):
    """Reads from the folder; what is written stays in memory."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root
        self.bytes_read = 0

    def sizes(self, prefix: str) -> dict[str, int]:
        folder = self._root / prefix
        return {
            path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()
        }

    def head(self, key: str) -> StoredObject | None:
        path = self._root / key
        return StoredObject(path.stat().st_size, f"etag:{path.stat().st_mtime_ns}", None) if path.is_file() else None

    def read(self, key: str, *, start: int = 0, length: int | None = None, version_id: str | None = None) -> bytes:
        assert version_id is None or key.endswith("manifest.json"), "folders have no versions"
        path = self._root / key
        if not path.is_file():
            raise ArtifactIncompleteError(f"{key} is not there yet; upload it")
        with path.open("rb") as file:
            file.seek(start)
            found = file.read(-1 if length is None else length)
        self.bytes_read += len(found)
        return found
