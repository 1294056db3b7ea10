"""Every claim beside what is known of it: measured, simulated, or not run.

A result is one JSON file in `benchmarks/results/`, named by the claim's id, with the keys of `RESULT_KEYS`.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "claims.md"
RESULT_KEYS = {"how", "value", "hardware", "versions", "command", "date"}
HOW = {"measured", "simulated"}


@dataclass(frozen=True, slots=True)
class Row:
    claim: str
    answer: str
    how: str  # measured, simulated or not run
    value: str
    source: str  # hardware, versions, command and date; empty if not run


def rows(claims: Path, results: Path) -> list[Row]:
    """Join the claims with their results.

    Raises:
        ValueError: a result lacks a key, has an unknown one, or belongs to no claim.
    """
    known = json.loads(claims.read_text(encoding="utf-8"))
    orphans = {path.stem for path in results.glob("*.json")} - {claim["id"] for claim in known}
    if orphans:
        raise ValueError(f"results without a claim: {', '.join(sorted(orphans))}; add them to {claims.name}")
    return [_row(claim, results / f"{claim['id']}.json") for claim in known]


def _row(claim: dict[str, str], result: Path) -> Row:
    if not result.exists():
        return Row(claim["claim"], claim["answer"], "not run", "", "")
    found = json.loads(result.read_text(encoding="utf-8"))
    if found.keys() != RESULT_KEYS or found["how"] not in HOW:
        raise ValueError(f"{result.name} must have exactly {sorted(RESULT_KEYS)} with how in {sorted(HOW)}")
    source = f"{found['hardware']}; {found['versions']}; `{found['command']}`; {found['date']}"
    return Row(claim["claim"], claim["answer"], found["how"], found["value"], source)


def page(table: list[Row]) -> str:
    count = Counter(row.how for row in table)
    lines = [
        "# Claims",
        "",
        "Written by `make claims` from `benchmarks/results/`. Nothing here is typed by hand.",
        "",
        f"{count['measured']} measured, {count['simulated']} simulated, {count['not run']} not run.",
        "",
        "| claim | our answer | | value | hardware, versions, command, date |",
        "|---|---|---|---|---|",
        *(f"| {row.claim} | {row.answer} | {row.how} | {row.value} | {row.source} |" for row in table),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    table = rows(HERE / "claims.json", HERE / "results")
    for row in table:
        print(f"{row.how:<9}  {row.claim}: {row.value or row.answer}")
    count = Counter(row.how for row in table)
    print(f"claims: {count['measured']} measured, {count['simulated']} simulated, {count['not run']} not run")
    PAGE.write_text(page(table), encoding="utf-8")


if __name__ == "__main__":
    main()
