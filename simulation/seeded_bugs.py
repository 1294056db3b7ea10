"""Whether the checks would notice: bugs on purpose, one at a time, each in a copy of the tree.

`python -m simulation.seeded_bugs` ends with `seeded bugs: C of N caught`. A bug whose text is no longer there is an
error and not a pass, and so is a tree that fails its checks before any bug is put in.
"""

import argparse
import compileall
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ, utime
from pathlib import Path
from queue import SimpleQueue

import yaml

from simulation.machines import ROOT

LIST = Path(__file__).with_suffix(".yaml")
NEEDED = 0.95
CPU_S = 60
"""Seconds of one core that a check may take; the sound tree's takes a quarter of it at most."""
_COMPILED = ("functions", "simulation", "tests/builders", "tests/fakes")
_CHECK_S = 900
"""Seconds that it may take by the clock, on a machine that others use too."""
_SIMULATED = re.compile(r"^simulation: (\d+) seeds, (\d+) violations$", re.MULTILINE)


class StaleBugError(Exception):
    """The text that a bug replaces is not there, or there more than once. The sentence names bug and file."""


@dataclass(frozen=True, slots=True)
class Bug:
    """One mutation; the fields are those of the list."""

    file: str
    find: str
    replace: str
    why: str
    after: str = ""

    def put_into(self, text: str) -> str:
        """The text with the bug in it.

        Raises:
            StaleBugError
        """
        begin = text.find(self.after)
        found = text.find(self.find, max(begin, 0))
        if begin < 0 or found < 0 or (not self.after and text.count(self.find) > 1):
            times = text.count(self.find)
            raise StaleBugError(f"{self.file} holds {times} times what this bug replaces: {self.why}; mend the list")
        return text[:found] + self.replace + text[found + len(self.find) :]


@dataclass(frozen=True, slots=True)
class Caught:
    """By which check, and what it said; no check: the bug went unnoticed."""

    check: str
    said: str


def bugs() -> list[Bug]:
    """The list in the repository."""
    return [Bug(**entry) for entry in yaml.safe_load(LIST.read_text())]


def checks(seeds: int) -> Mapping[str, list[str]]:
    """The quick checks, the cheapest first: a few hundred seeds take as long as a dozen tests."""
    pytest = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:warnings", "-p", "no:cacheprovider"]
    flows = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/unit/release").glob("test_*_flows.py"))
    rules = [f"tests/unit/release/test_{rule}.py" for rule in ("truth", "turns", "phases", "identity", "guard")]
    return {
        "simulation": [sys.executable, "-m", "simulation", "--seeds", str(seeds), "--processes", "1", "--stop"],
        "tests": [*pytest, "tests/contract/stack/test_machines.py", *rules, *flows],
        "adapters": [*pytest, "tests/integration/release/test_ports.py", "tests/integration/release/test_adapters.py"],
    }


def checks_of(bug: Bug, asked: Mapping[str, list[str]]) -> Mapping[str, list[str]]:
    """The checks that can reach the file: the simulation and the unit tests stand on fakes and know no adapter."""
    reach = {"adapters"} if "/adapters/" in bug.file else {"simulation", "tests"}
    return {name: command for name, command in asked.items() if name in reach}


def caught(tree: Path, asked: Mapping[str, list[str]]) -> Caught | None:
    """The first check that the tree does not pass.

    Args:
        asked: checks by name, as `checks` has them.
    """
    for name, command in asked.items():
        said = _failure(tree, name, command)
        if said:
            return Caught(name, said)
    return None


def _failure(tree: Path, name: str, command: list[str]) -> str:
    """What the check says against the tree; empty if it passes."""
    bounded = ["/bin/sh", "-c", f'ulimit -t {CPU_S}; exec "$@"', name, *command]
    paths = {"PYTHONPATH": "functions:inference_image:.", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            bounded, cwd=tree, env={**environ, **paths}, capture_output=True, text=True, timeout=_CHECK_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {_CHECK_S} s"
    if done.returncode == 0:
        return ""
    lines = (done.stdout + done.stderr).splitlines()
    if name == "simulation" and not _SIMULATED.search(done.stdout):
        return f"it broke off: {lines[-1] if lines else 'without a word'}"
    telling = [line for line in lines if line.startswith(("seed ", "FAILED ", "ERROR "))]
    return (telling or lines or ["without a word"])[0]


def _copy(target: Path) -> Path:
    """Every tracked file, as it is now, and what Python makes of those that every check imports."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    for package in _COMPILED:  # once, and not for every check of every bug
        compileall.compile_dir(target / package, quiet=1)
    return target


@contextmanager
def _with(bug: Bug, tree: Path) -> Iterator[None]:
    place = tree / bug.file
    sound, when = place.read_text(), place.stat()
    place.write_text(bug.put_into(sound))
    try:
        yield
    finally:
        place.write_text(sound)
        utime(place, ns=(when.st_atime_ns, when.st_mtime_ns))


def hunt(listed: list[Bug], asked: Mapping[str, list[str]], processes: int) -> Iterator[tuple[Bug, Caught | None]]:
    """Put in one bug after the other, in as many trees as there are processes.

    Raises:
        RuntimeError: the tree fails its checks without a bug.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-bugs-") as folder, ThreadPoolExecutor(processes) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(processes):
            trees.put(_copy(Path(folder) / str(number)))
        sound = trees.get()
        if against := caught(sound, asked):
            raise RuntimeError(f"without any bug {against.check} fails already: {against.said}")
        trees.put(sound)

        def try_out(bug: Bug) -> tuple[Bug, Caught | None]:
            tree = trees.get()
            try:
                with _with(bug, tree):
                    return bug, caught(tree, checks_of(bug, asked))
            finally:
                trees.put(tree)

        yield from pool.map(try_out, listed)


def main(arguments: list[str] | None = None) -> int:
    """Exit 0: enough are caught; 1: too few, or a bug or the tree is stale."""
    parser = argparse.ArgumentParser(prog="simulation.seeded_bugs", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="seeds of the simulation for each bug")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="bugs whose file or reason has this text in it")
    parser.add_argument("--checks", default="simulation,tests,adapters", help="which checks are asked, in this order")
    asked = parser.parse_args(arguments)
    known = checks(asked.seeds)
    wanted = {name: known[name] for name in asked.checks.split(",")}
    listed = [bug for bug in bugs() if asked.only in f"{bug.file} {bug.why}"]
    for bug in listed:
        bug.put_into((ROOT / bug.file).read_text())
    found = 0
    for number, (bug, catch) in enumerate(hunt(listed, wanted, asked.processes), 1):
        found += catch is not None
        verdict = f"caught by {catch.check}: {catch.said}" if catch else "NOT CAUGHT"
        print(f"{number:3} {bug.file}: {bug.why}\n    {verdict}", flush=True)
    print(f"seeded bugs: {found} of {len(listed)} caught")
    return int(found < NEEDED * len(listed))


if __name__ == "__main__":
    sys.exit(main())
