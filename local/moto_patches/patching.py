"""Replace a part of moto so that a later moto without that part is noticed, and so that it can be put back."""

import os
from typing import Any

_INHERITED = object()


class Patches:
    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []
        self._undo_items: list[tuple[Any, str, Any]] = []
        self._undo_environment: list[tuple[str, str | None]] = []

    def replace(self, owner: Any, name: str, new: Any) -> Any:
        """Put `new` where `owner.name` is.

        Returns:
            What was there, as `getattr` gives it.

        Raises:
            AttributeError: moto has no such part; the patch was written for another version.
        """
        if not hasattr(owner, name):
            raise AttributeError(f"moto has no {owner.__name__}.{name}; the patches are written for moto 5.2.5")
        # A class keeps its classmethods and staticmethods as descriptors; getattr would unwrap them.
        self._undo.append((owner, name, vars(owner).get(name, _INHERITED)))
        old = getattr(owner, name)
        setattr(owner, name, new)
        return old

    def add(self, owner: Any, name: str, new: Any) -> None:
        """As `replace`, for a part that moto lacks altogether.

        Raises:
            AttributeError: moto has the part by now, and the patch can go.
        """
        if hasattr(owner, name):
            raise AttributeError(f"moto has {owner.__name__}.{name} of its own; the patches are written for moto 5.2.5")
        self._undo.append((owner, name, _INHERITED))
        setattr(owner, name, new)

    def replace_item(self, owner: Any, key: str, new: Any) -> None:
        """As `replace`, for an entry that a dictionary of moto must already have."""
        if key not in owner:
            raise KeyError(f"moto has no entry {key!r} where the patches for moto 5.2.5 expect one")
        self._undo_items.append((owner, key, owner[key]))
        owner[key] = new

    def set_environment(self, name: str, value: str) -> None:
        """Set one of moto's environment variables until `undo`."""
        self._undo_environment.append((name, os.environ.get(name)))
        os.environ[name] = value

    def undo(self) -> None:
        while self._undo:
            owner, name, old = self._undo.pop()
            if old is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, old)
        while self._undo_items:
            entries, key, old = self._undo_items.pop()
            entries[key] = old
        while self._undo_environment:
            variable, before = self._undo_environment.pop()
            if before is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = before
