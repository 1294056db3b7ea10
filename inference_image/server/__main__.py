"""`serve [--host HOST]`: start the inference server."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from sanic import Sanic

from server.app import create_app
from server.engine_process import EngineProcess
from server.settings import Settings, SettingsError, read_settings

_BACKLOG = 1024


def main(arguments: Sequence[str]) -> int:
    return serve(arguments, lambda settings: create_app(settings, EngineProcess(settings)))


def serve(arguments: Sequence[str], make_app: Callable[[Settings], Sanic[Any, Any]]) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        the exit code: 0 after a drain, 2 if the environment is not one to start with.
    """
    parser = argparse.ArgumentParser(prog="serve", description="Serve the model folder on SAGEMAKER_BIND_TO_PORT.")
    parser.add_argument("command", nargs="?", default="serve", choices=["serve"], help="what SageMaker passes")
    parser.add_argument("--host", default="0.0.0.0", help="address to bind")  # noqa: S104 - a container's own network
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"serve: {error}\n")
        return 2
    # One process: the model lives in the engine's, and the manager of Sanic's workers would sit between us and SIGTERM.
    make_app(settings).run(
        host=chosen.host, port=settings.port, single_process=True, motd=False, access_log=False, backlog=_BACKLOG
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
