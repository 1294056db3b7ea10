"""A terminal of a fixed size: a pseudo-terminal, and what a person sees when all has been written to it."""

import os
import pty
import re
import sys
import threading
from collections.abc import Callable
from typing import TextIO

import pytest

WIDTH, HEIGHT = 100, 50
# What rich writes (ECMA-48): cursor up, erase a line or the rest of the screen, colours, hide and show the cursor.
_QUESTION = b"[y/N]: "
_CONTROL = re.compile(r"\x1b\[(\?25[lh]|[0-9;]*[A-Za-z])|\r\n|\r|\n|[^\x1b\r\n]")


class UnknownControlError(Exception):
    """Something was written that this terminal does not know, so what a person sees is not known either."""


def seen(written: str) -> str:
    """The lines on a screen of WIDTH columns after `written`; none has scrolled away. No blanks at line ends."""
    rows: list[list[str]] = [[]]
    row = column = 0
    at = 0
    while at < len(written):
        found = _CONTROL.match(written, at)
        if found is None:
            raise UnknownControlError(repr(written[at : at + 10]))
        at, token = found.end(), found[0]
        if token in {"\r\n", "\n"}:
            row, column = row + 1, 0
        elif token == "\r":
            column = 0
        elif token.startswith("\x1b"):
            row, column = _controlled(rows, row, column, token)
        else:
            if column == WIDTH:
                row, column = row + 1, 0
            _write(rows, row, column, token)
            column += 1
        rows += [[] for _ in range(row + 1 - len(rows))]
    return "\n".join("".join(cells).rstrip() for cells in rows).rstrip("\n") + "\n"


def _write(rows: list[list[str]], row: int, column: int, character: str) -> None:
    rows += [[] for _ in range(row + 1 - len(rows))]
    cells = rows[row]
    cells += [" "] * (column + 1 - len(cells))
    cells[column] = character


def _controlled(rows: list[list[str]], row: int, column: int, token: str) -> tuple[int, int]:
    number, verb = token[2:-1], token[-1]
    if verb == "m" or number.startswith("?25"):
        return row, column
    if verb == "A":
        return row - int(number or 1), column
    if (number, verb) == ("2", "K"):
        rows[row] = []
        return row, column
    raise UnknownControlError(repr(token))


def on_a_terminal(patch: pytest.MonkeyPatch, typed: str, run: Callable[[], int]) -> tuple[int, str]:
    """Run with stdin, stdout and stderr on a terminal; what it ended with, and what a person sees.

    Args:
        typed: what the person types when asked.
    """
    master, slave = pty.openpty()
    written: list[bytes] = []
    reader = threading.Thread(target=_read, args=(master, written, typed.encode()))
    reader.start()
    streams: list[TextIO] = [os.fdopen(os.dup(slave), mode, encoding="utf-8") for mode in ("r", "w", "w")]
    os.close(slave)
    try:
        with patch.context() as own:
            for name, value in {"TERM": "xterm-256color", "COLUMNS": str(WIDTH), "LINES": str(HEIGHT)}.items():
                own.setenv(name, value)
            own.delenv("NO_COLOR", raising=False)
            for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
                own.setattr(sys, name, stream)
            code = run()
    finally:
        for stream in streams:
            stream.close()
        reader.join(30)
        os.close(master)
    return code, seen(b"".join(written).decode())


def _read(master: int, written: list[bytes], typed: bytes) -> None:
    """Until the other end is closed, which Linux reports as an error of input; answers the first question."""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            return
        if not part:
            return
        written.append(part)
        if typed and b"".join(written).endswith(_QUESTION):
            os.write(master, typed)
            typed = b""
