"""H003: each function gets the environment that `release.wiring` reads for it, and no more."""

import ast
from dataclasses import dataclass, field

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
    wiring = _functions_of(ast.parse((ROOT / "functions/release/wiring.py").read_text()))
    handler = ast.parse((ROOT / "functions" / folder / "app.py").read_text())
    ahead = [
        alias.name
        for node in ast.walk(handler)
        if isinstance(node, ast.ImportFrom) and node.module == "release.wiring"
        for alias in node.names
    ]
    found, seen = Reads(), set[str]()
    while ahead:
        name = ahead.pop()
        if name in wiring and name not in seen:
            seen.add(name)
            _collect(wiring[name], found)
            ahead += [node.id for node in ast.walk(wiring[name]) if isinstance(node, ast.Name)]
    return found


def _functions_of(module: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}


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
