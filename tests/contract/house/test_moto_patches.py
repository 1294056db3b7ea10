"""moto is patched in one place, each patch names its gap, and a test of bare moto shows that gap.

How to write a patch is said at the top of `local/moto_patches/__init__.py`.
"""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.gaps import justified_by

ROOT = Path(__file__).parents[3]
PATCHES = ROOT / "local" / "moto_patches"
GAP_TESTS = sorted((ROOT / "tests" / "contract" / "local_core").glob("test_moto_gaps*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_patching(node: ast.AST) -> bool:
    """Whether this is a call like `patches.replace(…)`; a string has `replace` too, so the receiver's name decides."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    receiver = node.func.value
    name = receiver.id if isinstance(receiver, ast.Name) else getattr(receiver, "attr", "")
    return node.func.attr in {"add", "replace", "replace_item"} and name.endswith("patches")


def outermost_functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    """Functions and methods with their names; what is defined inside one belongs to it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield f"{prefix}.{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from outermost_functions(node, f"{prefix}.{node.name}")


def patches_in(path: Path) -> dict[str, Function]:
    functions = outermost_functions(ast.parse(path.read_text(encoding="utf-8")), dotted(path))
    return {name: function for name, function in functions if any(is_patching(node) for node in ast.walk(function))}


def assigned_parts_of_moto(tree: ast.AST) -> set[str]:
    """Assignments like `models.Rule.send = …` to names that come from moto."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    from_moto = {
        alias.asname or alias.name
        for node in imports
        if (node.module or "").split(".")[0] == "moto"
        for alias in node.names
    }
    targets = [target for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets]
    parts = {ast.unparse(target) for target in targets if isinstance(target, ast.Attribute)}
    return {part for part in parts if part.split(".")[0] in from_moto}


EVERY_PATCH = {name: function for path in sorted(PATCHES.glob("*.py")) for name, function in patches_in(path).items()}
ELSEWHERE = [path for path in sorted((ROOT / "local").rglob("*.py")) if PATCHES not in path.parents]


@pytest.mark.parametrize("path", ELSEWHERE, ids=dotted)
def test_only_the_patches_change_moto(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))

    assert not [ast.unparse(node) for node in ast.walk(tree) if is_patching(node)], "belongs under local/moto_patches"
    assert not assigned_parts_of_moto(tree)


@pytest.mark.parametrize("name", EVERY_PATCH)
def test_a_patch_says_which_gap_of_moto_it_fills(name: str) -> None:
    assert ast.get_docstring(EVERY_PATCH[name]), "its docstring says what moto lacks or does otherwise"


def test_every_patch_has_a_test_that_shows_bare_motos_gap() -> None:
    shown = frozenset().union(*(justified_by(importlib.import_module(dotted(path))) for path in GAP_TESTS))

    assert sorted(set(EVERY_PATCH) - shown) == [], "patches without a test marked @justifies"
    assert sorted(shown - set(EVERY_PATCH)) == [], "tests that justify what is no patch"
