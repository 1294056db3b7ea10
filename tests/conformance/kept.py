"""What a run measured, where `make claims` looks for it."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import boto3
import moto

from benchmarks.first_answer import commit

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "conformance.json"
COMMAND = "python -m tests.conformance --keep"


def keep(value: str) -> None:
    """Write the scores down with the machine, versions, command and date that gave them."""
    result = {
        "how": "measured",
        "value": value,
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "versions": f"Python {platform.python_version()}, moto {moto.__version__}, boto3 {boto3.__version__}, "
        f"commit {commit()}",
        "command": COMMAND,
        "date": datetime.now(UTC).date().isoformat(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
