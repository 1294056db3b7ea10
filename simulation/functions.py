"""What each function does: read from its handler, so that a function that is added needs no word here.

A handler parses its event by a contract, hands it to a flow that `release.wiring` names, and answers `wire()`. Logging
and clients are left out; everything else is the real thing.
"""

import ast
import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from simulation.machines import ROOT

Handler = Callable[[Any, Any], dict[str, Any]]
"""Takes the house, in which the flows are wired, and the event."""


class UnreadableHandlerError(Exception):
    """A handler is not of the form that every handler has."""


@cache
def handler_of(function: str) -> Handler:
    """The handler of `functions/<function>/app.py`, over a house of flows.

    Raises:
        UnreadableHandlerError: it does more than parse, ask one flow and answer.
    """
    contract, flow, method = _read(ROOT / "functions" / function / "app.py")

    def handle(house: Any, event: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(getattr(house, flow), method)(contract.parse(event)).wire()
        return answer

    return handle


def _read(path: Path) -> tuple[Any, str, str]:
    tree = ast.parse(path.read_text())
    imported = {
        name.asname or name.name: node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    attributes = [func for func in calls if isinstance(func, ast.Attribute)]
    contracts = [
        func.value.id
        for func in attributes
        if func.attr == "parse" and isinstance(func.value, ast.Name) and func.value.id in imported
    ]
    asked = [
        (func.value.func.id, func.attr)
        for func in attributes
        if isinstance(func.value, ast.Call)
        and isinstance(func.value.func, ast.Name)
        and imported.get(func.value.func.id, "").startswith("release.wiring.")
    ]
    if len(contracts) != 1 or len(asked) != 1:
        raise UnreadableHandlerError(
            f"{path.parent.name} parses {contracts} and asks {asked}; one of each was expected"
        )
    (contract,), ((flow, method),) = contracts, asked
    return getattr(importlib.import_module(imported[contract]), contract), flow, method
