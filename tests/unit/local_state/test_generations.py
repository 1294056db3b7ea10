"""State is replaced in one step: whatever goes wrong before it leaves what was there."""

from pathlib import Path

import pytest

from local.state import generations


def _written(folder: Path, content: str) -> None:
    with generations.new(folder) as generation:
        (generation / "state").write_text(content)


def _read(folder: Path) -> str | None:
    newest = generations.newest(folder)
    return (newest / "state").read_text() if newest else None


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    assert _read(tmp_path / "none") is None


def test_a_whole_generation_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    _written(tmp_path, "first")
    _written(tmp_path, "second")

    assert _read(tmp_path) == "second"
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_an_error_leaves_the_generation_before(tmp_path: Path) -> None:
    _written(tmp_path, "first")

    def fail() -> None:
        with generations.new(tmp_path) as generation:
            (generation / "state").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert _read(tmp_path) == "first"
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_a_crash_leaves_the_generation_before_and_the_next_one_clears_up(tmp_path: Path) -> None:
    _written(tmp_path, "first")
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    (crashed / "state").write_text("half")

    assert _read(tmp_path) == "first"
    _written(tmp_path, "second")
    assert _read(tmp_path) == "second"
    assert not crashed.exists()
