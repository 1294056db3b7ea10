"""Where the embedded AWS of this machine is: its ports, the exports that point clients at it, and who runs it."""

import contextlib
import errno
import ipaddress
import json
import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from slipway.errors import UsageError

AWS_PORT, UI_PORT = "SLIPWAY_AWS_PORT", "SLIPWAY_UI_PORT"
_DEFAULT_PORTS = {AWS_PORT: 4566, UI_PORT: 7860}
_HIGHEST_PORT = 65535
_CONFIG, _PROFILE = Path(__file__).parents[1] / "local" / "aws-config", "slipway-local"


@dataclass(frozen=True)
class Ports:
    aws: int
    ui: int

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> "Ports":
        """Raises UsageError when a variable holds no port number, or both hold the same."""
        ports = cls(_port(environ, AWS_PORT), _port(environ, UI_PORT))
        if ports.aws == ports.ui:
            raise UsageError(f"{AWS_PORT} and {UI_PORT} are both {ports.aws}; give each a port of its own")
        return ports

    def check_free(self) -> None:
        """Raises UsageError when someone listens on either."""
        for name, port in ((AWS_PORT, self.aws), (UI_PORT, self.ui)):
            if not _free(port):
                raise UsageError(f"port {port} of 127.0.0.1 is taken; stop what uses it, or set {name} to another port")


def _port(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name) or str(_DEFAULT_PORTS[name])
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _HIGHEST_PORT:
        raise UsageError(f"{name} is {text!r}, not a port; set it to a number from 1 to {_HIGHEST_PORT}")
    return int(text)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def exports(port: int) -> dict[str, str]:
    """The variables that point every ordinary AWS client at the embedded AWS and at nothing else."""
    url = f"http://127.0.0.1:{port}"
    host = urlsplit(url).hostname
    if host is None or not ipaddress.ip_address(host).is_loopback:
        raise UsageError(f"{url} is not on this machine; the local credentials must not leave it")
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        # samconfig's environment `local` asks for this profile, which no other file has.
        "AWS_CONFIG_FILE": str(_CONFIG),
        "AWS_PROFILE": _PROFILE,
    }


def without_aws(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment less everything that could lead an AWS client to a real account."""
    kept = {name: value for name, value in environ.items() if not name.startswith("AWS_")}
    return kept | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


@dataclass(frozen=True)
class RunFile:
    """The note that a running embedded AWS leaves, so that other commands find its scratch folder."""

    pid: int
    aws_port: int
    ui_port: int
    state_dir: str

    @staticmethod
    def path(cache: Path, aws_port: int) -> Path:
        return cache / f"run-{aws_port}.json"

    def write(self, cache: Path) -> None:
        path = self.path(cache, self.aws_port)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self), indent=2))
        part.replace(path)

    @classmethod
    def read(cls, cache: Path, aws_port: int) -> "RunFile | None":
        """The live run on this port; one whose process is gone is removed with its scratch folder."""
        path = cls.path(cache, aws_port)
        try:
            run = cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):  # cut short by a full disk, or written by another version
            path.unlink(missing_ok=True)
            return None
        if _alive(run.pid):
            return run
        if Path(run.state_dir).parent == cache:  # never delete what a damaged note points to
            shutil.rmtree(run.state_dir, ignore_errors=True)
        path.unlink(missing_ok=True)
        return None

    def remove(self, cache: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path(cache, self.aws_port).unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # someone else's process, but a live one
    return True
