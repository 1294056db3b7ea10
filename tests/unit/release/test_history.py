"""Questions about the past, over fakes: the answer is in the ledger, and says so where the ledger cannot be trusted."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.contracts.history import Provenance, Ran
from release.domain.history import WentLive, reign_at
from release.errors import InvalidInputError
from release.flows.stamps import stamp
from tests.builders.house import House

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def house() -> House:
    return House()


def ran(house: House, at: datetime | None = None) -> Ran:
    answer = house.operate("what-ran", **({"asOf": stamp(at)} if at else {})).ran
    assert answer is not None
    return answer


def provenance(house: House, release_id: str) -> Provenance:
    answer = house.operate("provenance", release=release_id).provenance
    assert answer is not None
    return answer


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(-1, 60))
def test_whoever_went_live_last_before_the_instant_served_then(minutes: list[int], asked: int) -> None:
    lines = [
        WentLive(seq, f"{seq:012x}", f"{seq:012x}-1", "release machine", NOON + timedelta(minutes=at))
        for seq, at in enumerate(sorted(minutes), start=1)
    ]

    reign = reign_at(lines, NOON + timedelta(minutes=asked))

    serves = [number for number, at in enumerate(sorted(minutes)) if at <= asked]
    assert (reign is None) == (serves == [])
    if reign:
        later = [NOON + timedelta(minutes=at) for at in sorted(minutes) if at > asked]
        assert reign.began == lines[serves[-1]]
        assert reign.until == (later[0] if later else None)


def test_what_ran_is_the_release_of_the_time_between_two_changes(house: House) -> None:
    first = house.live("v1")
    between = house.now.at
    house.now.forward(3600)
    second = house.live("v2")

    then, now = ran(house, between), ran(house)

    assert (then.rollout_id, now.rollout_id) == (first.rollout_id, second.rollout_id)
    assert then.until == now.since
    assert now.until is None
    assert then.ledger == ""
    release = house.table.release("chat", then.release_id)
    assert release is not None
    assert (then.artifact_id, then.image) == (release.artifact_id, release.image)


def test_what_ran_says_that_a_rewritten_ledger_cannot_be_trusted(house: House) -> None:
    house.live("v1")
    line = house.table.ledger("chat")[1]
    house.table._put(line.model_copy(update={"actor": "nobody"}))

    assert ran(house).ledger.startswith("from line 2 on it cannot be trusted")


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        pytest.param(NOON - timedelta(days=1), "nothing was live", id="before the first release"),
        pytest.param(NOON + timedelta(days=1), "is still to come", id="tomorrow"),
    ],
)
def test_a_time_without_an_answer_is_refused(house: House, at: datetime, sentence: str) -> None:
    house.live("v1")

    with pytest.raises(InvalidInputError, match=sentence):
        ran(house, at)


def test_provenance_leads_from_the_release_to_bytes_that_are_as_they_were(house: House) -> None:
    step = house.live("v1")
    release_id = step.rollout_id.partition("-")[0]

    told = provenance(house, release_id)

    release = house.table.release("chat", release_id)
    assert release is not None
    assert (told.artifact_id, told.image, told.config) == (release.artifact_id, release.image, release.config)
    assert told.problems == ()
    assert told.verified.sha256 == told.files > 0
    assert [one.rollout_id for one in told.rollouts] == [step.rollout_id]
    phases = [str(line.phase) for line in told.history]
    assert (phases[0], phases[-1]) == ("received", "live")
    assert told.ledger == ""


def test_provenance_names_every_file_that_is_not_as_it_was(house: House) -> None:
    release_id = house.live("v1").rollout_id.partition("-")[0]
    prefix = f"published/{provenance(house, release_id).artifact_id}/"
    objects = house.artifacts.objects
    objects[prefix + "config.json"] = objects[prefix + "config.json"].replace(b"llama", b"LLAMA")
    objects[prefix + "model.safetensors"] += b"\0"
    del objects[prefix + "tokenizer.json"]

    problems = " ".join(provenance(house, release_id).problems)

    assert "config.json has SHA-256" in problems
    assert "model.safetensors has" in problems
    assert "tokenizer.json is missing" in problems


def test_provenance_says_that_the_bytes_are_gone(house: House) -> None:
    release_id = house.live("v1").rollout_id.partition("-")[0]
    for key in [key for key in house.artifacts.objects if key.startswith("published/")]:
        del house.artifacts.objects[key]

    told = provenance(house, release_id)

    assert (told.files, told.id_proved) == (0, False)
    assert "its bytes are gone" in told.problems[0]


def test_a_release_that_never_was_has_no_provenance(house: House) -> None:
    house.live("v1")

    with pytest.raises(InvalidInputError, match="never had a release ffffffffffff"):
        provenance(house, "f" * 12)


def test_a_question_leaves_no_line_in_the_ledger(house: House) -> None:
    release_id = house.live("v1").rollout_id.partition("-")[0]
    before = dict(house.table.items)

    ran(house)
    provenance(house, release_id)

    assert house.table.items == before
