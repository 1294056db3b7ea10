"""The list of seeded bugs is long enough and fits the tree; `make seeded-bugs` and the long proof put them in."""

import pytest

from simulation.machines import ROOT
from simulation.seeded_bugs import Bug, StaleBugError, bugs, main

LISTED = bugs()


def test_there_are_at_least_forty_bugs_and_each_has_a_reason_of_its_own() -> None:
    assert len({bug.why for bug in LISTED}) == len(LISTED) >= 40


@pytest.mark.parametrize("bug", LISTED, ids=lambda bug: bug.why)
def test_a_bug_fits_the_tree_and_changes_it(bug: Bug) -> None:
    sound = (ROOT / bug.file).read_text()

    assert bug.put_into(sound) != sound


@pytest.mark.parametrize(
    ("after", "text"),
    [
        pytest.param("", "one\n", id="gone"),
        pytest.param("", "two two\n", id="ambiguous"),
        pytest.param("there", "two\nthere\n", id="not below"),
        pytest.param("there", "two\n", id="below nothing"),
    ],
)
def test_a_stale_bug_is_an_error_and_no_pass(after: str, text: str) -> None:
    with pytest.raises(StaleBugError, match="mend the list"):
        Bug("a.py", "two", "three", "it counts wrong", after).put_into(text)


@pytest.mark.prove
@pytest.mark.timeout(7200)
def test_nineteen_in_twenty_bugs_are_caught(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--processes", "2"]) == 0

    assert capsys.readouterr().out.splitlines()[-1].startswith("seeded bugs: ")
