"""`python -m local`: the embedded AWS in the foreground."""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from local.clock import Clock
from local.sagemaker.control.quotas import UnknownQuotaError
from local.state import StateError
from local.supervisor import Settings, Supervisor

_PORT_TAKEN = _WRONG_SETTING = 2
_STATE_LOST = 3
_LAST_PORT = 65_535


def main(argv: list[str] | None = None) -> int:
    settings = _parse(argv)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # moto prints the whole parse tree four times for every error that a machine's Catch handles.
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        supervisor = Supervisor(settings)
    except UnknownQuotaError as error:
        sys.stderr.write(f"--quota: {error}\n")
        return _WRONG_SETTING
    except OSError as error:
        sys.stderr.write(
            f"cannot listen on 127.0.0.1:{settings.port} ({error.strerror}); stop its user or choose another --port\n"
        )
        return _PORT_TAKEN
    except StateError as error:
        sys.stderr.write(f"{error}\n")
        return _STATE_LOST
    supervisor.start()
    sys.stdout.write(f"local AWS ready on {supervisor.world.url}\n")
    sys.stdout.flush()
    stop.wait()
    try:
        supervisor.stop()
    except StateError as error:
        sys.stderr.write(f"{error}\n")
        return _STATE_LOST
    return 0


def _parse(argv: list[str] | None) -> Settings:
    parser = argparse.ArgumentParser(prog="python -m local", description="AWS on this machine: no account, no Docker.")
    parser.add_argument(
        "--port", type=_port, default=Settings.port, help="port on 127.0.0.1; 0 takes a free one (default %(default)s)"
    )
    parser.add_argument(
        "--time-scale", type=_scale, default=1.0, help="AWS seconds per real second (default %(default)s)"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=None,
        help="keep function code, models and logs here (default: a temporary folder)",
    )
    parser.add_argument(
        "--ui-port",
        type=_port,
        default=Settings.ui_port,
        help="port of the template's load balancer (default %(default)s)",
    )
    for option, what in {
        "--quota": "a quota of SageMaker, 'ml.g5.4xlarge for endpoint usage=2'",
        "--capacity": "how many instances of a type there are at all, ml.g5.4xlarge=1",
    }.items():
        parser.add_argument(
            option, type=_setting, action="append", default=[], metavar="NAME=NUMBER", help=f"{what}; may be repeated"
        )
    parser.add_argument(
        "--keep-state",
        action="store_true",
        help="go on where the last run in --state-dir stopped, and keep everything when this one stops",
    )
    given = parser.parse_args(argv)
    if given.keep_state and given.state_dir is None:
        parser.error("--keep-state needs --state-dir: the folder that the next run shall find again")
    quotas, capacity = dict(given.quota), dict(given.capacity)
    return Settings(given.port, given.time_scale, given.state_dir, given.ui_port, quotas, capacity, given.keep_state)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to {_LAST_PORT}")
    return int(text)


def _scale(text: str) -> float:
    try:
        return Clock(float(text)).scale
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0") from error


def _setting(text: str) -> tuple[str, int]:
    name, equals, number = text.rpartition("=")
    if not equals or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER")
    return name, int(number)


if __name__ == "__main__":
    sys.exit(main())
