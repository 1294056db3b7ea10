"""What the command line shows. Data goes to stdout, everything else to stderr, so that output can be piped."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from slipway.records import PhaseChange, Release, Rollout
from slipway.views import release_rows, size_text, table

if TYPE_CHECKING:
    from rich.console import Console

    from slipway.artifacts import OnProgress, Progress

_QUARTER_PCT = 25


class Screen:
    """Plain lines are written as they are; rich is loaded only for what moves or has a colour."""

    def __init__(self, data: "Console | None" = None, messages: "Console | None" = None) -> None:
        self._data = data
        self._messages = messages

    @property
    def messages(self) -> "Console":
        if self._messages is None:
            from rich.console import Console

            self._messages = Console(stderr=True, highlight=False, soft_wrap=True)
        return self._messages

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees the messages now; a tree that moves is of use to nobody else."""
        return self.messages.is_terminal

    def data(self, text: str, *, end: str = "\n") -> None:
        if self._data is None:
            sys.stdout.write(text + end)
            sys.stdout.flush()
        else:
            self._data.print(text, end=end, markup=False)

    def say(self, text: str) -> None:
        if self._messages is None:
            sys.stderr.write(f"{text}\n")
        else:
            self._messages.print(text, markup=False)

    def error(self, text: str) -> None:
        self.messages.print(f"slipway: {text}", style="red" if self.messages.is_terminal else None, markup=False)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show that something runs, then how many seconds it took."""
        started = time.monotonic()
        with self.messages.status(f"{title} …"):
            yield
        self.done(title, time.monotonic() - started)

    def done(self, title: str, seconds: float) -> None:
        self.say(f"✓ {title}  {seconds:.1f} s")

    @contextmanager
    def upload(self, title: str) -> "Iterator[OnProgress]":
        """A bar on a terminal, a line per quarter elsewhere."""
        started = time.monotonic()
        if self.messages.is_terminal:
            from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
            from rich.progress import Progress as ProgressBar

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            with ProgressBar(*columns, console=self.messages, transient=True) as bar:
                task = bar.add_task(title, total=None)
                yield lambda progress: bar.update(task, completed=progress.sent_bytes, total=progress.total_bytes)
        else:
            yield self._quarters()
        self.done(title, time.monotonic() - started)

    def _quarters(self) -> "OnProgress":
        told = 0

        def tell(progress: "Progress") -> None:
            nonlocal told
            percent = 100 * progress.sent_bytes // max(1, progress.total_bytes)
            if percent // _QUARTER_PCT > told:
                told = percent // _QUARTER_PCT
                self.say(f"  {percent:3} % of {size_text(progress.total_bytes)}")

        return tell

    def phases(self, changes: Iterable[PhaseChange]) -> PhaseChange | None:
        """Print each phase as it comes; the last one, or None when there were none."""
        last: PhaseChange | None = None
        first_at = None
        for change in changes:
            first_at = first_at or change.at
            since_s = (change.at - first_at).total_seconds()
            self.say(f"  {change.phase:<12} +{since_s:5.1f} s  {change.reason}")
            last = change
        return last

    def lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.data(line)

    def releases(self, releases: Sequence[Release], rollouts: Sequence[Rollout], live: str) -> None:
        if not releases:
            self.say("no releases yet; `slipway push` makes the first one")
            return
        self.lines(table(release_rows(releases, rollouts, live)))
