"""State across restarts, on request: what was there when the embedded AWS stopped is there when it starts again.

Each part that has state gives it out and takes it back (`Part`). All of it is written together, so that what two parts
share is one thing again afterwards. Children, connections and threads are not state: endpoints get new instances, what
was in flight between services is given up, and running executions end as ABORTED.
"""

import json
import pickle
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from platform import python_version_tuple
from typing import Any

from local.parts import Part
from local.state import generations
from local.state.pickling import Anchors, Pickler, Unpickler

FORMAT = 1
_STATE, _HEADER = "state.pickle", "header.json"
_ATTEMPTS, _PAUSE_S = 20, 0.25  # real seconds between them

# A dictionary that changes while it is read is a RuntimeError, a closed file a ValueError, a full disk an OSError.
_UNWRITABLE = (pickle.PicklingError, TypeError, AttributeError, ValueError, RuntimeError, OSError)


class StateError(Exception):
    """State that can neither be read nor written; the message says whose and what to do."""


class KeptState:
    """The state of all parts in one folder.

    Args:
        folder: its own; it holds generations, of which the newest whole one counts.
        anchors: objects that both runs have: what refers to one refers to the other's afterwards.
    """

    def __init__(self, folder: Path, anchors: Mapping[str, Any]) -> None:
        self._folder = folder
        self._anchors = Anchors(anchors)

    def save(self, parts: Mapping[str, Part]) -> None:
        """Write everything down; until the last step the state that was there before is the one that counts.

        Raises:
            StateError: a part has what cannot be written; the older state stays.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with generations.new(self._folder) as generation:
                    self._write(parts, generation)
            except _UNWRITABLE as error:
                # Threads that serve the last requests still write: what changes under the pickler is taken once more.
                if isinstance(error, RuntimeError) and "changed size" in str(error) and attempt < _ATTEMPTS:
                    time.sleep(_PAUSE_S)
                    continue
                raise StateError(
                    f"the state was not kept, and {self._folder} stays as it was before this run: {error}"
                ) from error
            return

    def _write(self, parts: Mapping[str, Part], generation: Path) -> None:
        kept = {name: part.keep() for name, part in parts.items()}
        with (generation / _STATE).open("wb") as file:
            Pickler(file, self._anchors, generation).dump(kept)
        (generation / _HEADER).write_text(json.dumps(_header()))

    def restore(self, parts: Mapping[str, Part]) -> bool:
        """Give every part its state back.

        Returns:
            Whether there was any.

        Raises:
            StateError: it was written by another version, or it is damaged.
        """
        generation = generations.newest(self._folder)
        if generation is None:
            return False
        self._refuse_foreign(generation)
        try:
            with (generation / _STATE).open("rb") as file:
                kept = Unpickler(file, self._anchors, generation).load()
        except (OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError, IndexError) as error:
            raise StateError(f"the state in {generation} is damaged ({error}); {self._way_out()}") from error
        for name, part in parts.items():
            if name in kept:
                part.restore(kept[name])
        return True

    def _refuse_foreign(self, generation: Path) -> None:
        try:
            found = json.loads((generation / _HEADER).read_text())
        except (OSError, ValueError) as error:
            raise StateError(
                f"the state in {generation} has no readable header ({error}); {self._way_out()}"
            ) from error
        expected = _header()
        if found != expected:
            raise StateError(
                f"the state in {generation} is of {_said(found)}, and this is {_said(expected)}; {self._way_out()}"
            )

    def _way_out(self) -> str:
        return f"give another --state-dir, or remove {self._folder} to start empty"


def _header() -> dict[str, Any]:
    return {"format": FORMAT, "moto": version("moto"), "python": ".".join(python_version_tuple()[:2])}


def _said(header: Any) -> str:
    known = header if isinstance(header, dict) else {}
    return ", ".join(f"{name} {known.get(name, 'unknown')}" for name in ("format", "moto", "python"))
