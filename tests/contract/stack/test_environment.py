"""H003: each function gets the environment that `release.wiring` reads for it, and no more."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.contract.stack.documents import ROOT, functions, template

GLOBAL = template()["Globals"]["Function"]["Environment"]["Variables"]
FOLDERS = sorted(functions())


@dataclass
class Reads:
    """Environment variables by how they are read: `os.environ[name]` or `os.environ.get(name, …)`."""

    required: set[str] = field(default_factory=set)
    optional: set[str] = field(default_factory=set)


def given(folder: str) -> set[str]:
    own: dict[str, object] = functions()[folder].get("Environment", {}).get("Variables", {})
    return set(own)


def reads_of(folder: str) -> Reads:
    """What the handler's imports from wiring read, through every function of wiring that they call."""
    handler = ast.parse((ROOT / "functions" / folder / "app.py").read_text())
    ahead = [
        (node.module.removeprefix("release.wiring."), alias.name)
        for node in ast.walk(handler)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("release.wiring.")
        for alias in node.names
    ]
    found, seen = Reads(), set[tuple[str, str]]()
    while ahead:
        module, name = ahead.pop()
        if (module, name) not in seen and name in WIRING.get(module, {}):
            seen.add((module, name))
            _collect(WIRING[module][name], found)
            ahead += _named(WIRING[module][name], module)
    return found


def _functions_of(path: Path) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


WIRING = {path.stem: _functions_of(path) for path in (ROOT / "functions/release/wiring").glob("*.py")}


def _named(function: ast.FunctionDef, module: str) -> Iterator[tuple[str, str]]:
    """Names of the function's own module, and `other.name` of another."""
    for node in ast.walk(function):
        match node:
            case ast.Name(id=name):
                yield module, name
            case ast.Attribute(value=ast.Name(id=other), attr=name):
                yield other, name


def _collect(function: ast.FunctionDef, found: Reads) -> None:
    for node in ast.walk(function):
        match node:
            case ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(name))):
                found.required.add(name)
            case ast.Call(
                func=ast.Attribute(attr="get", value=ast.Attribute(attr="environ")),
                args=[ast.Constant(value=str(name)), *_],
            ):
                found.optional.add(name)


@pytest.mark.parametrize("folder", FOLDERS)
def test_h003_a_function_gets_every_variable_that_it_cannot_do_without(folder: str) -> None:
    assert reads_of(folder).required <= given(folder) | set(GLOBAL)


@pytest.mark.parametrize("folder", FOLDERS)
def test_h003_a_function_gets_no_variable_of_its_own_that_it_does_not_read(folder: str) -> None:
    reads = reads_of(folder)

    assert given(folder) <= reads.required | reads.optional


def test_h003_what_every_function_gets_is_read_by_several() -> None:
    ours = {name for name in GLOBAL if not name.startswith("POWERTOOLS_")}
    users = {name: [folder for folder in FOLDERS if name in reads_of(folder).required] for name in ours}

    assert [name for name, folders in users.items() if len(folders) < 2] == []


def test_h003_the_role_that_models_run_as_is_known_where_models_are_created() -> None:
    """The step that makes green passes it, and the sweep, which makes again what was deleted."""
    assert [folder for folder in FOLDERS if "EXECUTION_ROLE_ARN" in given(folder)] == ["create_green", "sweep_endpoint"]
