"""The promises of the release table about deeds, waiting and the ledger, kept by the fake as by the adapter."""

from typing import Any

import boto3
import pytest
from moto import mock_aws

from release.adapters.table import DynamoReleaseTable
from release.contracts.table import Gate
from release.domain.ledger import Happened, Head, verify_chain
from release.domain.phases import Phase
from release.errors import LeaseHeldError, LeaseLostError, ServiceUnavailableError
from release.ports import Deed, Entry, Fence, ReleaseTable
from tests.builders.records import AT, release, rollout
from tests.integration.release.test_ports import LATER, LATEST, ONE, TWO, leased, registered, table

__all__ = ["table"]  # the fixture of both


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


def deed(happened: Happened, *, gate: Gate | None = None, until: str | None = None) -> Deed:
    return Deed(happened, "ana", "because", LATER, gate, until)


def is_whole(table: ReleaseTable) -> bool:
    endpoint = table.endpoint("chat")
    assert endpoint is not None
    head = Head(endpoint.ledger_seq or 0, endpoint.ledger_hash or "")
    return verify_chain([line.wire() for line in table.ledger("chat")], head) is None


def test_every_change_of_a_phase_is_a_line_of_a_whole_ledger(table: ReleaseTable) -> None:
    registered(table)
    table.enter(ONE, Entry(Phase.EXAMINED, "sound", LATER, actor="x", evidence={"tensors": "272"}))
    for item in (ONE.model_copy(update={"phase": Phase.EXAMINED}), TWO):
        fence = Fence("chat", item.rollout_id, table.take_lease(item, now=AT, expires_at=LATER), LATER)
        table.end(item, Entry(Phase.LIVE, "serves", LATEST), fence, live=release(item.release_id))

    told = [(line.seq, line.rollout_id, line.phase) for line in table.ledger("chat")]
    assert told == [
        (1, ONE.rollout_id, Phase.RECEIVED),
        (2, TWO.rollout_id, Phase.RECEIVED),
        (3, ONE.rollout_id, Phase.EXAMINED),
        (4, ONE.rollout_id, Phase.LIVE),
        (5, TWO.rollout_id, Phase.LIVE),
        (6, ONE.rollout_id, Phase.SUPERSEDED),
    ]
    assert table.ledger("chat")[2].evidence == {"tensors": "272"}
    assert is_whole(table)


def test_a_write_that_loses_its_race_leaves_no_line(table: ReleaseTable) -> None:
    registered(table)
    fence = leased(table, until=AT)
    table.take_lease(TWO, now=LATER, expires_at=LATEST)

    with pytest.raises(LeaseLostError):
        table.enter(ONE, Entry(Phase.EXAMINED, "x", LATER), fence)
    with pytest.raises(ServiceUnavailableError):
        table.decide(ONE.model_copy(update={"phase": Phase.PLANNED}), deed(Happened.PAUSED))
    assert not table.register(ONE, "another seal")

    assert len(table.ledger("chat")) == 2
    assert is_whole(table)


def test_deeds_are_marks_in_the_record_and_lines_in_the_ledger(table: ReleaseTable) -> None:
    registered(table)
    for happened in (Happened.PAUSED, Happened.APPROVED, Happened.ABORT_REQUESTED):
        table.decide(ONE, deed(happened))
    table.decide(ONE, deed(Happened.GATE_SKIPPED, gate="bake"))
    table.decide(ONE, deed(Happened.RESUMED))

    found = table.rollout("chat", ONE.rollout_id)
    assert found is not None
    assert found.approval is not None
    assert found.abort is not None
    assert (found.approval.by, found.abort.reason, found.paused) == ("ana", "because", None)
    assert [skipped.gate for skipped in found.skipped_gates or ()] == ["bake"]
    assert [line.event for line in table.ledger("chat")[2:]] == [
        "paused",
        "approved",
        "abortRequested",
        "gateSkipped",
        "resumed",
    ]
    assert is_whole(table)


def test_an_abort_stops_every_step_before_traffic_and_none_after(table: ReleaseTable) -> None:
    registered(table)
    table.decide(ONE, deed(Happened.ABORT_REQUESTED))

    with pytest.raises(ServiceUnavailableError, match="look again"):
        table.enter(ONE, Entry(Phase.EXAMINED, "x", LATER))
    with pytest.raises(LeaseHeldError):
        table.take_lease(ONE, now=AT, expires_at=LATER)
    table.enter(ONE, Entry(Phase.SHIFTING, "SageMaker accepted it", LATER))
    assert is_whole(table)


def test_a_freeze_is_of_the_endpoint_and_is_taken_away(table: ReleaseTable) -> None:
    table.decide_endpoint("chat", deed(Happened.FROZEN, until=LATEST))
    frozen = table.endpoint("chat")
    table.decide_endpoint("chat", deed(Happened.UNFROZEN))
    thawed = table.endpoint("chat")

    assert frozen is not None
    assert frozen.frozen is not None
    assert (frozen.frozen.by, frozen.frozen.until) == ("ana", LATEST)
    assert thawed is not None
    assert thawed.frozen is None
    assert is_whole(table)


def test_only_the_token_that_is_kept_is_forgotten(table: ReleaseTable) -> None:
    registered(table)
    table.await_signal(ONE, "turn", "old")
    old = table.rollout("chat", ONE.rollout_id)
    table.await_signal(ONE, "turn", "new")
    assert old is not None
    table.stop_awaiting(old)

    kept = table.rollout("chat", ONE.rollout_id)
    assert kept is not None
    assert (kept.awaiting, kept.task_token) == ("turn", "new")
    table.stop_awaiting(kept)
    gone = table.rollout("chat", ONE.rollout_id)
    assert gone is not None
    assert (gone.awaiting, gone.task_token) == (None, None)
    with pytest.raises(ServiceUnavailableError):
        table.await_signal(ONE.model_copy(update={"phase": Phase.PLANNED}), "turn", "x")


def test_a_lease_is_freed_from_the_holder_that_was_seen(table: ReleaseTable) -> None:
    registered(table)
    leased(table)
    seen = table.lease("chat")
    assert seen is not None

    assert table.free_lease(seen, deed(Happened.LEASE_RELEASED))
    assert not table.free_lease(seen)
    assert table.lease_holder("chat", AT) is None
    assert table.take_lease(TWO, now=AT, expires_at=LATER) == 2
    line = table.ledger("chat")[-1]
    assert (line.event, line.rollout_id) == ("leaseReleased", ONE.rollout_id)


def test_the_finish_line_is_crossed_once_under_the_lease(table: ReleaseTable) -> None:
    registered(table)
    fence = leased(table)
    table.cross_finish_line(ONE, fence, LATER)
    table.cross_finish_line(ONE, fence, LATEST)

    found = table.rollout("chat", ONE.rollout_id)
    assert found is not None
    assert found.finish_line_at == LATER
    with pytest.raises(LeaseLostError):
        table.cross_finish_line(ONE, Fence("chat", TWO.rollout_id, 1, LATEST), LATEST)


def test_a_seal_is_bound_to_a_rollout_that_is_there_and_stays_bound(table: ReleaseTable) -> None:
    registered(table)

    table.bind_seal("arn:back", ONE)
    table.bind_seal("arn:back", TWO)

    seal = table.seal("arn:back")
    assert seal is not None
    assert seal.rollout_id == ONE.rollout_id


@pytest.mark.parametrize("times", [1, 11, 12])
def test_whoever_comes_second_writes_after_the_first_or_says_that_it_could_not(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer comes in between reading the ledger's head and writing the next line, so many times."""
    told: list[tuple[str, Phase]] = []
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="releases",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        )
        slow, quick = (
            DynamoReleaseTable(
                client, table="releases", tell=lambda one, phase, _: told.append((one.rollout_id, phase))
            )
            for _ in range(2)
        )
        others = iter([rollout(f"{number:012x}-1") for number in range(times)])
        read = slow._items.get

        def read_and_be_overtaken(*what: Any) -> Any:
            found = read(*what)
            if other := next(others, None):
                assert quick.register(other, other.rollout_id)
            return found

        monkeypatch.setattr(slow._items, "get", read_and_be_overtaken)
        if times < 12:
            assert slow.register(ONE, "one")
        else:
            with pytest.raises(ServiceUnavailableError, match="other writers came first 12 times"):
                slow.register(ONE, "one")

        written = times + (times < 12)
        assert len(quick.ledger("chat")) == written == len(told)
        assert is_whole(quick)
