"""Put a `slipway` command beside the interpreter that runs this: `python -m slipway.install_launcher`.

The checkout is used where it lies; nothing is copied, so the command is always the code that one sees.
"""

import shlex
import sys
from pathlib import Path

_LAUNCHER = """#!/bin/sh
exec {python} -c {program} "$@"
"""


def launcher_text(python: Path, checkout: Path) -> str:
    """A shell line, because a `#!` line ends at a blank and at 127 bytes, and paths do not."""
    paths = [str(checkout), str(checkout / "functions")]
    program = f"import sys; sys.argv[0] = 'slipway'; sys.path[:0] = {paths!r}; from slipway.cli import main; main()"
    return _LAUNCHER.format(python=shlex.quote(str(python)), program=shlex.quote(program))


def install_launcher(bin_dir: Path, checkout: Path) -> Path:
    """Write `<bin_dir>/slipway`; an earlier one is replaced."""
    launcher = bin_dir / "slipway"
    launcher.write_text(launcher_text(bin_dir / "python", checkout))
    launcher.chmod(0o755)
    return launcher


if __name__ == "__main__":
    install_launcher(Path(sys.prefix) / "bin", Path(__file__).resolve().parents[1])
