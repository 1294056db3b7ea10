"""The house rules that a tool can hold."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TRACKED = [
    ROOT / name
    for name in subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    .stdout.rstrip("\0")
    .split("\0")
]
SOURCES = [path for path in TRACKED if path.suffix == ".py" and path.exists() and "tests" not in path.parts]
LOCKS = [path for path in TRACKED if path.name.startswith("requirements") or path.parent.name == "requirements"]
P90_LINES = 25
LONGEST_FILE = 400


def lengths() -> list[int]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES)
    return sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_nine_functions_in_ten_fit_in_25_lines() -> None:
    found = lengths()

    assert found[int(len(found) * 0.9)] <= P90_LINES


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_long_file_says_why_it_is_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if len(text.splitlines()) > LONGEST_FILE:
        assert "one file because" in (ast.get_docstring(ast.parse(text)) or "")


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_requirement_names_an_index(path: Path) -> None:
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [path for path in LOCKS if path.suffix == ".txt"], ids=lambda path: path.name)
def test_every_locked_package_carries_its_hash_and_torch_stays_out(path: Path) -> None:
    if path.name in {"no-torch.txt", "requirements-torch.txt"}:
        return
    entries = re.split(r"\n(?=\S)", path.read_text(encoding="utf-8").strip())
    packages = [entry for entry in entries if re.match(r"[A-Za-z0-9]", entry)]

    assert packages
    assert not [entry.splitlines()[0] for entry in packages if "--hash=sha256:" not in entry]
    assert not [
        line
        for entry in packages
        if re.match(r"(torch|nvidia-)", line := entry.splitlines()[0]) and "never" not in line
    ]


def test_one_version_of_each_package_in_every_environment_we_ship() -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE))

    everything = pins(ROOT / "requirements" / "dev.txt")
    for part in ("functions", "ui", "inference_image"):
        assert pins(ROOT / part / "requirements.txt").items() <= everything.items()


HANDLERS = sorted((ROOT / "functions").glob("*/app.py"))


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda path: path.parent.name)
def test_a_handler_reaches_the_world_through_wiring_alone(handler: Path) -> None:
    tree = ast.parse(handler.read_text(encoding="utf-8"))
    ours = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "release"
    }

    (wired,) = [module for module in ours if not module.startswith("release.contracts.")]
    assert wired.startswith("release.wiring.")
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Try)], "errors belong to the machine"
