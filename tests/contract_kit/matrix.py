"""`python -m tests.contract_kit.matrix REPORT.json …`: who passes what. Each file has its server's name."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

Reports = Mapping[str, Mapping[str, bool]]


def table(reports: Reports) -> str:
    """Markdown. A check that a server was not asked is empty, never a pass."""
    checks = list(dict.fromkeys(check for report in reports.values() for check in report))
    marks = {True: "yes", False: "no", None: ""}
    rows = [
        f"| {check} | " + " | ".join(marks[report.get(check)] for report in reports.values()) + " |" for check in checks
    ]
    counts = " | ".join(f"{sum(report.values())} of {len(report)}" for report in reports.values())
    head = ["| check | " + " | ".join(reports) + " |", "|---|" + "---|" * len(reports)]
    return "\n".join([*head, *rows, f"| **passed** | {counts} |"]) + "\n"


def main(arguments: Sequence[str]) -> int:
    reports = {Path(name).stem: json.loads(Path(name).read_text()) for name in arguments}
    sys.stdout.write(table(reports))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
