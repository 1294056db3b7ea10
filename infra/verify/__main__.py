"""`make verify-infra`: runs every checker, prints what no suppression covers, ends with the count."""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from infra.verify.findings import Finding, SuppressionError, read_suppressions, unsuppressed
from infra.verify.rules import own_findings
from infra.verify.running import CheckerRefusedError
from infra.verify.subjects import PLANT, ROOT, Subjects, plants, product, together
from infra.verify.tools import CHECKERS, Checker

SUPPRESSIONS = Path(__file__).parent / "suppressions.txt"
LIMITS = ROOT / "docs" / "limits.md"


def main() -> int:
    """Exit code 0 if nothing is left unsuppressed, 1 if something is, 2 if the list of suppressions cannot be read."""
    options = argparse.ArgumentParser(prog="python -m infra.verify", description=main.__doc__)
    options.add_argument("--all", action="store_true", help="print the suppressed findings as well")
    chosen = options.parse_args()
    try:
        suppressions = read_suppressions(SUPPRESSIONS, LIMITS.read_text())
    except SuppressionError as error:
        print(f"infra: {error}", file=sys.stderr)
        return 2
    found = verified(together(product(), plants()))
    left = unsuppressed(found, suppressions)
    for each in sorted(found) if chosen.all else left:
        print(each)
    for tool, count in sorted(Counter(each.tool for each in found).items()):
        print(f"{tool}: {count} findings, {sum(each.tool == tool for each in left)} unsuppressed")
    print(f"infra: {len(found)} findings, {len(left)} unsuppressed")
    return 1 if left else 0


def verified(subjects: Subjects) -> list[Finding]:
    """Every finding about the product; a checker that did not run, or missed its planted fault, is one as well."""
    found = set(own_findings(subjects))
    with tempfile.TemporaryDirectory() as folder:
        subjects.write(Path(folder))
        for check in dict.fromkeys(each.check for each in CHECKERS):
            found.update(reported([each for each in CHECKERS if each.check is check], subjects, Path(folder)))
    return [each for each in found if not each.resource.startswith(PLANT)]


def reported(checkers: list[Checker], subjects: Subjects, folder: Path) -> list[Finding]:
    """What one tool finds; instead, or besides, that it was refused or missed a plant of its."""
    try:
        found = checkers[0].check(subjects, folder)
    except CheckerRefusedError as error:
        return [Finding(checkers[0].name, "refused", "-", str(error))]
    caught = {(each.rule, each.resource) for each in found}
    missed = [each for each in checkers if (each.rule, each.resource) not in caught]
    return found + [
        Finding(
            each.name, "missed-its-plant", each.rule, f"reported nothing for {each.resource} of infra/verify/plants"
        )
        for each in missed
    ]


if __name__ == "__main__":
    sys.exit(main())
