"""Checkers of the Amazon States Language."""

import json
import re
from pathlib import Path
from typing import Any

from infra.verify.findings import Finding
from infra.verify.running import NODE, environment, installed, output
from infra.verify.subjects import Subjects

_STATELINT = re.compile(r"^ (\S.*)$", re.MULTILINE)
_STATELINT_PLACE = re.compile(r"State Machine(?:\.States)?\.([^.\[]+)")
_ASL_VALIDATOR = re.compile(r"^ ?([A-Z_]{8,}): (.*)$", re.MULTILINE)
_STATE = re.compile(r"/States/([^/]+)")


def statelint(subjects: Subjects, folder: Path) -> list[Finding]:
    """AWS's own linter, in Python. FLOAT is left out: JSON has one kind of number."""
    program = environment(".venv-statelint", "statelint")
    found = []
    for name in subjects.machines:
        said = output([program, "--ignore=FLOAT", folder / f"{name}.asl.json"])
        for message in _STATELINT.findall(said):
            place = _STATELINT_PLACE.search(message)
            found.append(Finding("statelint", "statelint", f"{name}.asl" + (f"/{place[1]}" if place else ""), message))
    return found


def asl_validator(subjects: Subjects, folder: Path) -> list[Finding]:
    """The states language's schema, transitions and JSONata's syntax."""
    package = installed(NODE / "node_modules" / "asl-validator", "make infra/verify/node/.ready")
    found = []
    for name, machine in subjects.machines.items():
        path = folder / f"{name}.no-empty-text.json"
        path.write_text(json.dumps(_without_empty_text(machine.definition)))
        said = _both_streams(package / "dist" / "bin" / "asl-validator.js", path)
        for rule, message in _ASL_VALIDATOR.findall(said):
            state = _STATE.search(message)
            found.append(Finding("asl-validator", rule, f"{name}.asl" + (f"/{state[1]}" if state else ""), message))
    return found


def _both_streams(script: Path, path: Path) -> str:
    return output(["sh", "-c", 'node "$0" --json-path "$1" 2>&1', script, path])


def _without_empty_text(node: Any) -> Any:
    """Its schema knows no empty string, which the language allows; such an error hides all later checks."""
    if isinstance(node, dict):
        return {key: _without_empty_text(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_empty_text(each) for each in node]
    return "-" if node == "" else node
