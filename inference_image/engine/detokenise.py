"""From token ids to text that can be shown at once: never half a character, never part of a stop string."""

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]

_REPLACEMENT = "\ufffd"
# A character is at most four bytes, so four byte-level tokens; what is still broken after them never becomes whole.
_LONGEST_CHARACTER_TOKENS = 4


class Detokeniser:
    """Decodes a growing answer in windows, because a token's text can depend on the token before it.

    Args:
        decode: the tokenizer's own decoding of a list of ids.
    """

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._context = 0
        """Start of the window: tokens that were shown already but give the next ones their context."""
        self._shown = 0

    def add(self, token: int) -> str:
        """Text that became final with this token; "" while a character is incomplete."""
        self._ids.append(token)
        known = self._decode(self._ids[self._context : self._shown])
        text = self._decode(self._ids[self._context :])
        pending = len(self._ids) - self._shown
        if len(text) <= len(known) or (text.endswith(_REPLACEMENT) and pending <= _LONGEST_CHARACTER_TOKENS):
            return ""
        self._context, self._shown = self._shown, len(self._ids)
        return text[len(known) :]

    def finish(self) -> str:
        """Whole characters that waited for the rest of a broken one; the broken one is dropped."""
        known = self._decode(self._ids[self._context : self._shown])
        return self._decode(self._ids[self._context :])[len(known) :].rstrip(_REPLACEMENT)


class StopFilter:
    """Holds back what may be the beginning of a stop string, and ends the text before the first one that is whole.

    First is whichever ends first, so the cut does not depend on how the text was divided into tokens.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False

    def add(self, text: str) -> str:
        """The part of everything held so far that is final. After `stopped` nothing more is."""
        if self.stopped:
            return ""
        self._held += text
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            return self._take(min(found)[1])
        return self._take(len(self._held) - self._suspicious())

    def finish(self) -> str:
        """What was held back in vain."""
        return "" if self.stopped else self._take(len(self._held))

    def _take(self, count: int) -> str:
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def _suspicious(self) -> int:
        """Length of the longest tail that could still become a stop string."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        tails = (self._held[-size:] for size in range(min(longest, len(self._held)), 0, -1))
        return next((len(tail) for tail in tails if any(stop.startswith(tail) for stop in self._stops)), 0)
