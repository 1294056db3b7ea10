"""A folder of generations: a new one counts once it is whole, and a crash before that leaves the older one."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

_CURRENT = "current"


@contextlib.contextmanager
def new(folder: Path) -> Iterator[Path]:
    """A new generation's folder, which becomes the newest if the block ends without an error; else it is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    generation = folder / uuid.uuid4().hex
    generation.mkdir()
    try:
        yield generation
    except BaseException:
        shutil.rmtree(generation, ignore_errors=True)
        raise
    for path in generation.rglob("*"):
        _flush(path)
    pointer = folder / f"{_CURRENT}.{generation.name}"
    pointer.write_text(generation.name)
    _flush(pointer)
    pointer.replace(folder / _CURRENT)
    _flush(folder)
    _remove_others(folder, generation.name)


def newest(folder: Path) -> Path | None:
    """The newest whole generation; None if there is none."""
    try:
        return folder / (folder / _CURRENT).read_text()
    except FileNotFoundError:
        return None


def _remove_others(folder: Path, name: str) -> None:
    for path in folder.iterdir():
        if path.name not in {_CURRENT, name}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
