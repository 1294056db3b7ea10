"""The embedded AWS that runs on this machine: look at it, end it, forget what it left."""

import contextlib
import os
import shutil
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from slipway.answers import LocalStatus
from slipway.errors import AwsUnreachableError, UsageError
from slipway.local_env import Ports, RunFile

_POLL_S = 0.1
_END_S = 60.0
"""`local up` gives its children 20 s, and keeps its state in that time; a busy machine gets three times as long."""
_KEPT = "kept"


@dataclass(frozen=True)
class LocalRun:
    cache: Path
    ports: Ports

    def status(self) -> LocalStatus:
        run = RunFile.read(self.cache, self.ports.aws)
        url, page = f"http://127.0.0.1:{self.ports.aws}", f"http://127.0.0.1:{self.ports.ui}"
        if run is None:
            return LocalStatus(False, 0, self.ports.aws, self.ports.ui, url, page, "", _answers(self.ports.aws))
        page = f"http://127.0.0.1:{run.ui_port}"
        return LocalStatus(True, run.pid, run.aws_port, run.ui_port, url, page, run.state_dir, _answers(run.aws_port))

    def down(self) -> bool:
        """End the run as Ctrl-C does, and wait for its end; False when none runs.

        Raises:
            AwsUnreachableError: it is still there after a minute.
        """
        run = RunFile.read(self.cache, self.ports.aws)
        if run is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(run.pid, signal.SIGTERM)  # a shell that starts it in the background makes it deaf to SIGINT
        deadline = time.monotonic() + _END_S
        # Its note goes last, so that a run without a note has ended everything it started.
        while RunFile.read(self.cache, self.ports.aws) is not None:
            if time.monotonic() > deadline:
                raise AwsUnreachableError(
                    f"process {run.pid} has not ended after {_END_S:.0f} s; look at it, and end it with kill {run.pid}"
                )
            time.sleep(_POLL_S)
        return True

    def reset(self, keep_state: Path | None) -> list[Path]:
        """End the run, and remove what it and earlier runs on this port left; the folders that are gone.

        Args:
            keep_state: also forget the state that `local up --keep-state` keeps there.

        Raises:
            UsageError: the folder holds no kept state, so it may be somebody's own.
        """
        kept = keep_state / _KEPT if keep_state else None
        if kept and not kept.is_dir():
            raise UsageError(f"{keep_state} holds no state of `slipway local up --keep-state`; nothing was removed")
        self.down()
        left = [
            self.cache / f"logs-{self.ports.aws}",
            *self.cache.glob(f"run-{self.ports.aws}-*"),
            *filter(None, [kept]),
        ]
        gone = [folder for folder in left if folder.is_dir()]
        for folder in gone:
            shutil.rmtree(folder)
        return gone


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
