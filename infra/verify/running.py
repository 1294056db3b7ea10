"""Runs a checker as a child process and refuses, by its name, one that is not here or does not answer."""

import json
import subprocess
from pathlib import Path
from typing import Any

from infra.verify.subjects import ROOT

NODE = Path(__file__).parent / "node"
_LIMIT_S = 300
_TELLING = 300  # characters of a child's last words that fit into one message


class CheckerRefusedError(Exception):
    """A checker did not run; the message names it and says what to do."""


def environment(name: str, program: str) -> Path:
    """A program of one of the environments beside `.venv`.

    Raises:
        CheckerRefusedError: it is not installed.
    """
    path = ROOT / name / "bin" / program
    return installed(path, f"make {name}/.ready")


def installed(path: Path, how: str) -> Path:
    if not path.exists():
        raise CheckerRefusedError(f"{path.name} is not installed; run `{how}`")
    return path


def output(argv: list[str | Path], codes: tuple[int, ...] = (0, 1), folder: Path = ROOT) -> str:
    """What the program prints.

    Args:
        codes: exit codes that mean "I have looked".

    Raises:
        CheckerRefusedError: another exit code, or no answer in five minutes.
    """
    name = Path(argv[0]).name
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_LIMIT_S, cwd=folder, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckerRefusedError(f"{name} did not run: {error}") from error
    if done.returncode not in codes:
        raise CheckerRefusedError(f"{name} ended with {done.returncode}: {(done.stderr or done.stdout)[-_TELLING:]}")
    return done.stdout


def answer(argv: list[str | Path], codes: tuple[int, ...] = (0, 1), folder: Path = ROOT) -> Any:
    """What the program prints, as JSON.

    Raises:
        CheckerRefusedError: as `output`, or the text is not JSON.
    """
    text = output(argv, codes, folder)
    try:
        return json.loads(text)
    except ValueError as error:
        raise CheckerRefusedError(f"{Path(argv[0]).name} answered no JSON: {text[:_TELLING]}") from error
