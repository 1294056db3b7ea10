"""The table of results: checks by area, the twin beside moto."""

from collections.abc import Mapping, Sequence

from tests.conformance.suite import Result, Verdict


def table(results: Mapping[str, Sequence[Result]]) -> str:
    """Lines with each area's number of checks, how many are generated, and each target's score."""
    first = next(iter(results.values()))
    areas = list(dict.fromkeys(result.check.area for result in first))
    rows = [("area", "checks", "generated", *results)]
    rows += [
        _row(area, {name: [r for r in all_ if r.check.area == area] for name, all_ in results.items()})
        for area in areas
    ]
    rows.append(_row("all", results))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def score(results: Sequence[Result]) -> str:
    """`passed/asked`; what cannot be asked of the target is in neither number."""
    asked = [result for result in results if result.verdict is not Verdict.NOT_APPLICABLE]
    passed = [result for result in asked if result.verdict is Verdict.PASSED]
    absent = len(results) - len(asked)
    return f"{len(passed)}/{len(asked)}" + (f" ({absent} n/a)" if absent else "")


def share(results: Sequence[Result]) -> str:
    """How many checks there are if generated ones count for at most half."""
    generated = sum(result.check.generated for result in results)
    written = len(results) - generated
    counted = written + min(written, generated)
    return (
        f"{len(results)} checks: {written} written by hand and {generated} generated from botocore's model; "
        f"{counted} if generated ones are counted for at most half"
    )


def _row(area: str, results: Mapping[str, Sequence[Result]]) -> tuple[str, ...]:
    first = next(iter(results.values()))
    generated = sum(result.check.generated for result in first)
    return (area, str(len(first)), str(generated), *(score(each) for each in results.values()))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        [row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))]
    )
