"""What parts give out comes back as it was, and what cannot be written leaves the older state."""

import os
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.state import KeptState, StateError
from local.state.pickling import merge


class Box:
    """A part that keeps whatever is put into it."""

    def __init__(self, content: Any = None) -> None:
        self.content = content

    def keep(self) -> Any:
        return self.content

    def restore(self, kept: Any) -> None:
        self.content = kept


def _again(folder: Path, *contents: Any, anchor: Any = None) -> list[Any]:
    """What parts with these contents have after a restart."""
    KeptState(folder, {"anchor": anchor}).save({str(n): Box(content) for n, content in enumerate(contents)})
    fresh = {str(n): Box() for n in range(len(contents))}
    assert KeptState(folder, {"anchor": "the new one"}).restore(fresh)
    return [part.content for part in fresh.values()]


def test_what_two_parts_share_is_one_thing_afterwards(tmp_path: Path) -> None:
    shared = {"a": 1}
    [one, other] = _again(tmp_path, [shared], {"x": shared})

    assert one[0] == {"a": 1}
    assert one[0] is other["x"]


def test_an_anchor_is_the_new_runs_own(tmp_path: Path) -> None:
    world = object()
    [[found]] = _again(tmp_path, [world], anchor=world)

    assert found == "the new one"


def test_a_lock_comes_back_open(tmp_path: Path) -> None:
    lock = threading.Lock()
    with lock:
        [again] = _again(tmp_path, lock)

    assert again.acquire(blocking=False)


@pytest.mark.parametrize("linkable", [True, False], ids=["by a link", "by a copy"])
def test_a_files_bytes_come_back_and_two_users_share_them(tmp_path: Path, *, linkable: bool) -> None:
    folder = tmp_path / "bodies"
    folder.mkdir()
    if linkable:
        file = os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600), "w+b")
    else:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed below
    with file:
        file.write(b"bytes")
        file.flush()
        same = Path(f"/proc/self/fd/{file.fileno()}").open("rb")  # noqa: SIM115 - closed below
        with same:
            [one, other] = _again(tmp_path / "kept", file, same)
    with one, other:
        assert (one.read(), other.read()) == (b"bytes", b"bytes")
        assert os.fstat(one.fileno()).st_ino == os.fstat(other.fileno()).st_ino


def test_what_cannot_be_written_leaves_the_older_state(tmp_path: Path) -> None:
    state = KeptState(tmp_path, {})
    state.save({"box": Box("older")})

    with pytest.raises(StateError, match=r"was not kept, and .* stays as it was"):
        state.save({"box": Box(lambda: None)})
    fresh = Box()
    state.restore({"box": fresh})
    assert fresh.content == "older"


class Restless(dict[str, int]):
    """Another thread's dictionary: it grows while it is read, the first few times."""

    def __init__(self, times: int) -> None:
        super().__init__(a=1)
        self.times = times

    def __reduce_ex__(self, _: Any) -> Any:
        return dict, (), None, None, self._growing()

    def _growing(self) -> Iterator[tuple[str, int]]:
        self.times -= 1
        busy = {"a": 1}
        for item in busy.items():
            if self.times >= 0:
                busy["b"] = 2
            yield item


def test_what_changes_while_it_is_written_is_taken_again(tmp_path: Path) -> None:
    assert _again(tmp_path, Restless(times=2)) == [{"a": 1}]
    assert len(list(tmp_path.glob("*/state.pickle"))) == 1


def test_what_never_rests_leaves_the_older_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.state._PAUSE_S", 0.0)
    state = KeptState(tmp_path, {})
    state.save({"box": Box("older")})

    with pytest.raises(StateError, match="changed size during iteration"):
        state.save({"box": Box(Restless(times=10**6))})
    fresh = Box()
    state.restore({"box": fresh})
    assert fresh.content == "older"


def test_a_file_that_was_closed_is_named_and_leaves_the_older_state(tmp_path: Path) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"x")

    with pytest.raises(StateError, match=r"was not kept, .* closed file"):
        KeptState(tmp_path, {}).save({"box": Box(file)})


def test_damaged_state_is_refused_in_a_sentence(tmp_path: Path) -> None:
    state = KeptState(tmp_path, {})
    state.save({"box": Box("older")})
    [pickled] = tmp_path.glob("*/state.pickle")
    pickled.write_bytes(pickled.read_bytes()[:-3])

    with pytest.raises(StateError, match=r"is damaged .* give another --state-dir, or remove"):
        state.restore({"box": Box()})


@pytest.mark.parametrize("field", ["format", "moto", "python"])
def test_the_state_of_other_software_is_refused_by_its_version(tmp_path: Path, field: str) -> None:
    state = KeptState(tmp_path, {})
    state.save({"box": Box("older")})
    [header] = tmp_path.glob("*/header.json")
    header.write_text(header.read_text().replace(f'"{field}": ', f'"{field}": "0", "was": '))

    with pytest.raises(StateError, match=rf"{field} 0.* give another --state-dir, or remove"):
        state.restore({"box": Box()})


def test_a_new_owners_defaults_are_its_own() -> None:
    fresh: dict[str, Any] = {"tags": defaultdict(lambda: "default")}
    merge(fresh, {"tags": {"a": "b"}})

    assert (fresh["tags"]["a"], fresh["tags"]["c"]) == ("b", "default")
