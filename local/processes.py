"""Child processes of the embedded AWS: Lambda workers, inference instances, ECS tasks. None outlives its parent."""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Processes:
    """Starts children, each in a process group of its own, and ends them all.

    Linux kills a child when the *thread* that started it ends, so one long-lived thread starts every child.
    """

    def __init__(self) -> None:
        self._spawner = ThreadPoolExecutor(1, "spawner")
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path | int
    ) -> subprocess.Popen[bytes]:
        """Start one child with exactly this environment.

        Args:
            log: a file that stdout and stderr are appended to, or `subprocess.PIPE`.

        Raises:
            OSError: the program or the folder does not exist.
        """
        return self._spawner.submit(self._start, argv, env, cwd, log).result()

    def _start(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path | int
    ) -> subprocess.Popen[bytes]:
        with contextlib.ExitStack() as files:
            out = log if isinstance(log, int) else files.enter_context(log.open("ab"))
            child = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call, no lock taken
            )
        with self._lock:
            self._children.add(child)
        return child

    def stop(self, child: subprocess.Popen[bytes], grace_s: float = 30.0) -> int:
        """SIGTERM the child's group, SIGKILL it after `grace_s` real seconds; returns the exit code."""
        self._signal(child, signal.SIGTERM)
        try:
            child.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._signal(child, signal.SIGKILL)
        code = child.wait()
        self._signal(child, signal.SIGKILL)  # a grandchild may have stayed behind in the group
        with self._lock:
            self._children.discard(child)
        return code

    def stop_all(self, grace_s: float = 5.0) -> None:
        with self._lock:
            children = list(self._children)
        with ThreadPoolExecutor(max(1, len(children))) as pool:
            list(pool.map(lambda child: self.stop(child, grace_s), children))
        self._spawner.shutdown()

    @staticmethod
    def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
