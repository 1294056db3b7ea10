"""What the embedded AWS promises is what its code does."""

from local import gaps


def test_the_list_of_gaps_is_current() -> None:
    assert gaps.PATH.read_text() == gaps.text(), "run python -m local.gaps"
