"""Votes as they lie in the table and as CloudWatch counts them."""

import io
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from slipway.errors import AwsUnreachableError, UsageError
from slipway.feedback import Opinion, Rate, Vote, feedback_item
from tests.unit.ui.fake_slipway import FakeSlipway
from ui.ballot import Ballot, vote_id_of

SCHEMA = Path(__file__).parents[3] / "events" / "table" / "feedback.schema.json"
LEFT, RIGHT = ("chat", "3f2a91c07d4e"), ("rival", "a47c0b1e88d2")


@pytest.mark.parametrize(
    "vote",
    [
        Vote(LEFT[1], vote_id_of("ada", "c", "0"), Opinion.UP),
        Vote(LEFT[1], vote_id_of("ada", "c", "0"), Opinion.DOWN, "Made up"),
        Vote(LEFT[1], vote_id_of("ada", "c", "0"), Opinion.TIED, rival=RIGHT[1]),
    ],
)
def test_a_vote_keeps_its_contract_and_names_no_person(vote: Vote) -> None:
    item = feedback_item("chat", vote)

    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(item)
    assert "ada" not in json.dumps(item)


@pytest.mark.parametrize("vote", [Vote("x", "0" * 32, Opinion.UP), Vote(LEFT[1], "0" * 32, Opinion.UP, "r" * 201)])
def test_what_cannot_be_a_vote_is_refused(vote: Vote) -> None:
    with pytest.raises(UsageError):
        feedback_item("chat", vote)


def test_a_changed_mind_replaces_the_earlier_word() -> None:
    slipway = FakeSlipway()
    ballot = Ballot(slipway, "chat", io.StringIO())

    ballot.thumb(LEFT[1], vote_id_of("ada", "c", "0"), Opinion.UP)
    ballot.thumb(LEFT[1], vote_id_of("ada", "c", "0"), Opinion.DOWN, "Made up")
    ballot.thumb(LEFT[1], vote_id_of("bob", "c", "0"), Opinion.UP)

    said = slipway.feedback("chat")[LEFT[1]]
    assert (said.liked, said.reasons) == (Rate(1, 2), {"Made up": 1})


@pytest.mark.parametrize(
    ("winner", "left", "right"),
    [("left", Rate(1, 1), Rate(0, 1)), ("right", Rate(0, 1), Rate(1, 1)), ("tie", Rate(0, 0), Rate(0, 0))],
)
def test_a_duel_counts_for_both_releases(winner: str, left: Rate, right: Rate) -> None:
    slipway = FakeSlipway()

    Ballot(slipway, "chat", io.StringIO()).duel("0" * 32, LEFT, RIGHT, winner)

    said = slipway.feedback("chat")
    assert (said[LEFT[1]].won, said[RIGHT[1]].won) == (left, right)
    assert {said[LEFT[1]].tied, said[RIGHT[1]].tied} == {int(winner == "tie")}


def test_cloudwatch_counts_a_thumb_by_endpoint_and_never_by_release() -> None:
    """By the specification of the embedded metric format: each metric and dimension is a member of the root."""
    log = io.StringIO()

    Ballot(FakeSlipway(), "chat", log).thumb(LEFT[1], "0" * 32, Opinion.UP)

    line = json.loads(log.getvalue())
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["Endpoint"]]
    assert [line[metric["Name"]] for metric in directive["Metrics"]] == [1]
    assert (line["Endpoint"], line["releaseId"]) == ("chat", LEFT[1])


def test_a_vote_that_cannot_be_kept_counts_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    slipway, log = FakeSlipway(), io.StringIO()

    def lost(*_: object) -> None:
        raise AwsUnreachableError("no answer")

    monkeypatch.setattr(slipway, "judge_answer", lost)

    assert not Ballot(slipway, "chat", log).thumb(LEFT[1], "0" * 32, Opinion.UP)
    assert log.getvalue() == ""
