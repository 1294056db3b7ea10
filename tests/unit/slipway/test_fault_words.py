"""The words of `slipway local fault set`, and who is asked."""

from pathlib import Path
from typing import Any

import pytest

from slipway.errors import AwsUnreachableError, UsageError
from slipway.fault_commands import FaultBoardClient, fault_of


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("api throttled", {"kind": "api", "failure": "throttled"}),
        ("api late --delay-s 2 --service=s3", {"kind": "api", "failure": "late", "delayS": "2", "service": "s3"}),
        ("clock --part lambda --skew-s -3600", {"kind": "clock", "part": "lambda", "skewS": "-3600"}),
        ("event dropped --detail-type=", {"kind": "event", "failure": "dropped", "detailType": ""}),
    ],
)
def test_words_become_the_boards_json(words: str, expected: dict[str, Any]) -> None:
    assert fault_of(words.split()) == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("api throttled s3", "'s3' is no option; write fields as --service s3"),
        ("api throttled -s s3", "'-s' is no option"),
        ("api throttled --service", "--service needs a value"),
    ],
)
def test_a_slip_is_one_sentence(words: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        fault_of(words.split())


def test_without_a_running_embedded_aws_the_sentence_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_AWS_PORT", "14567")

    with pytest.raises(AwsUnreachableError, match=r"no embedded AWS runs on port 14567; start one with"):
        FaultBoardClient.of_the_running()
