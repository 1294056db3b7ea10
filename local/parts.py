"""What a part of the embedded AWS must be able to do if its state shall survive a restart."""

from typing import Any, Protocol


class Part(Protocol):
    """A part with state of its own, which it puts on `World.parts` by its name."""

    def keep(self) -> Any:
        """Everything to write down, as plain objects that can be pickled. The part has stopped by then."""
        ...

    def restore(self, kept: Any) -> None:
        """Take back what `keep` gave, before anything runs."""
        ...
