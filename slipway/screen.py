"""What the command line shows. Data goes to stdout, everything else to stderr, so that output can be piped."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
from rich.progress import Progress as ProgressBar

from slipway.artifacts import OnProgress, Progress
from slipway.records import SERVED, PhaseChange, Release, Rollout

_QUARTER_PCT = 25


class Screen:
    def __init__(self, data: Console | None = None, messages: Console | None = None) -> None:
        self._data = data or Console(highlight=False, soft_wrap=True)
        self._messages = messages or Console(stderr=True, highlight=False, soft_wrap=True)

    def data(self, text: str, *, end: str = "\n") -> None:
        self._data.print(text, end=end, markup=False)

    def say(self, text: str) -> None:
        self._messages.print(text, markup=False)

    def error(self, text: str) -> None:
        self._messages.print(f"slipway: {text}", style="red" if self._messages.is_terminal else None, markup=False)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show that something runs, then how many seconds it took."""
        started = time.monotonic()
        with self._messages.status(f"{title} …"):
            yield
        self.done(title, time.monotonic() - started)

    def done(self, title: str, seconds: float) -> None:
        self.say(f"✓ {title}  {seconds:.1f} s")

    @contextmanager
    def upload(self, title: str) -> Iterator[OnProgress]:
        """A bar on a terminal, a line per quarter elsewhere."""
        started = time.monotonic()
        if self._messages.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            with ProgressBar(*columns, console=self._messages, transient=True) as bar:
                task = bar.add_task(title, total=None)
                yield lambda progress: bar.update(task, completed=progress.sent_bytes, total=progress.total_bytes)
        else:
            yield self._quarters()
        self.done(title, time.monotonic() - started)

    def _quarters(self) -> OnProgress:
        told = 0

        def tell(progress: Progress) -> None:
            nonlocal told
            percent = 100 * progress.sent_bytes // max(1, progress.total_bytes)
            if percent // _QUARTER_PCT > told:
                told = percent // _QUARTER_PCT
                self.say(f"  {percent:3} % of {_megabytes(progress.total_bytes)}")

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

    def releases(self, releases: Sequence[Release], rollouts: Sequence[Rollout], live: str) -> None:
        if not releases:
            self.say("no releases yet; `slipway push` makes the first one")
            return
        rows = [("RELEASE", "STATE", "ROLLOUTS", "CREATED", "ARTIFACT", "IMAGE")]
        rows += [
            (
                release.release_id,
                _state(release, rollouts, live),
                str(release.rollouts),
                release.created_at.strftime("%Y-%m-%d %H:%M:%S"),
                release.artifact_id[:12],
                release.image.rpartition("@")[2][:19],
            )
            for release in releases
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            # Never cut, however narrow the terminal: these ids are there to be copied.
            self.data("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _state(release: Release, rollouts: Sequence[Rollout], live: str) -> str:
    """The newest rollout's phase, unless an older one of the same release serves or served."""
    if release.release_id == live:
        return "live"
    phases = [rollout.phase for rollout in rollouts if rollout.release_id == release.release_id]
    served = [phase for phase in phases if phase in SERVED]
    return next(iter(served or phases), "-")


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
