"""The unfinished artifact beside its output: one job at a time, kept when interrupted, moved into place at the end."""

import errno
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.packaging.errors import NoSpaceError, PackageRefusedError

_JOB, _LOCK, _FILES, _SCRATCH = "job.json", "lock", "files", "scratch"


@dataclass(frozen=True)
class Workplace:
    """`files` becomes the artifact; `scratch` is for what it is made of. Both go with the last step."""

    output: Path
    root: Path

    @property
    def files(self) -> Path:
        return self.root / _FILES

    @property
    def scratch(self) -> Path:
        return self.root / _SCRATCH

    def begin(self, job: Mapping[str, Any]) -> None:
        """Keep what an earlier run of exactly this job has finished, and forget any other job's."""
        note = self.root / _JOB
        wanted = json.dumps(job, sort_keys=True)
        if not note.is_file() or note.read_text("utf-8") != wanted:
            for folder in (self.files, self.scratch):
                shutil.rmtree(folder, ignore_errors=True)
            note.write_text(wanted, "utf-8")
        self.files.mkdir(exist_ok=True)
        self.scratch.mkdir(exist_ok=True)

    def publish(self) -> None:
        self.files.rename(self.output)
        shutil.rmtree(self.root)


@contextmanager
def workplace(output: Path) -> Iterator[Workplace]:
    """Work on `output`, which is made at the end or not at all.

    Raises:
        PackageRefusedError: another run works on the same output, or it cannot be written.
        NoSpaceError: the disk became full; what is finished is kept.
    """
    root = output.with_name(f".{output.name}.partial")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise PackageRefusedError(
                    f"another run is packaging into {output}; wait for it, or choose another --output"
                ) from error
            yield Workplace(output, root)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpaceError(
                f"the disk of {output.parent} is full; free some space and run the same command again, which goes on "
                "from what is finished"
            ) from error
        if not str(error.filename or "").startswith(str(output.parent)):
            raise PackageRefusedError(f"{error.filename} cannot be read ({error.strerror}); mend it") from error
        raise PackageRefusedError(
            f"{output.parent} cannot be written ({error.strerror}); choose another --output"
        ) from error


def check_space(output: Path, needed_bytes: int) -> None:
    """Raises NoSpaceError: less is free where `output` will lie than the artifact needs."""
    there = next(folder for folder in output.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        raise NoSpaceError(
            f"the artifact needs {needed_bytes / 1e9:.2f} GB and {free / 1e9:.2f} GB are free at {output.parent}; "
            "free some space, or choose another --output"
        )
