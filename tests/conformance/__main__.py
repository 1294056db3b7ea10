"""`python -m tests.conformance`: ask every target every check and print the table."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.conformance.aws import add_arguments, aws
from tests.conformance.checks import every_check
from tests.conformance.fixture import furnish
from tests.conformance.kept import keep
from tests.conformance.suite import Check, Result, Verdict, run
from tests.conformance.table import score, share, table
from tests.conformance.targets import Target, moto, twin

Opening = Callable[[], AbstractContextManager[Target]]


@contextmanager
def furnished(opening: Opening) -> Iterator[Target]:
    """The target with the fixture, and without what the checks shared at the end."""
    with opening() as target:
        events = furnish(target)
        target.events = events.of
        try:
            yield target
        finally:
            for action in target.at_end:
                action()
            events.stop()


def results_of(opening: Opening, checks: list[Check]) -> list[Result]:
    with furnished(opening) as target:
        return list(run(checks, target))


def main(argv: list[str] | None = None) -> int:
    arguments = _parse(argv)
    openings: dict[str, Opening] = {"twin": twin, "moto": moto, "aws": lambda: aws(arguments)}
    checks = [check for check in every_check() if arguments.only in f"{check.area}: {check.name}"]
    results = {}
    for name in arguments.target or ("twin", "moto"):
        results[name] = results_of(openings[name], checks)
        if arguments.verbose or name != "moto":
            _tell_failures(results[name])
    sys.stdout.write(f"{table(results)}\n\n{share(next(iter(results.values())))}\n")
    scores = ", ".join(f"{name} {score(of_target)}" for name, of_target in results.items())
    sys.stdout.write(f"conformance: {scores}\n")
    if arguments.keep:
        keep(f"{scores}; {share(next(iter(results.values())))}")
    judged = [result for name, of_target in results.items() if name != "moto" for result in of_target]
    return int(any(result.verdict is Verdict.FAILED for result in judged))


def _tell_failures(results: list[Result]) -> None:
    for result in results:
        if result.verdict is Verdict.FAILED:
            check = result.check
            sys.stdout.write(f"FAILED {check.area}: {check.name}\n  source: {check.source}\n  {result.reason}\n")


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument(
        "--target",
        action="append",
        choices=("twin", "moto", "aws"),
        help="whom to ask; may be repeated (default: twin and moto)",
    )
    parser.add_argument("--only", default="", help="only checks whose 'area: name' contains this")
    parser.add_argument("--verbose", action="store_true", help="tell moto's failures too")
    parser.add_argument("--keep", action="store_true", help="keep the scores for make claims")
    add_arguments(parser)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
