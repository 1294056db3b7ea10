"""One test per promise of a port, kept by the fake as by the adapter."""

import hashlib
import io
import tarfile
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from release.adapters.artifacts import S3ArtifactStore
from release.adapters.table import DynamoReleaseTable
from release.contracts.table import ImageItem
from release.domain.phases import Phase
from release.errors import (
    ArtifactIncompleteError,
    ArtifactRejectedError,
    LeaseHeldError,
    LeaseLostError,
    ServiceUnavailableError,
)
from release.ports import ArtifactStore, Entry, Fence, Member, ReleaseTable
from tests.builders.artifacts import tarball
from tests.builders.records import AT, IMAGE, release, rollout, waiting
from tests.fakes.artifacts import FakeArtifacts
from tests.fakes.table import FakeTable

LATER, LATEST = "2026-11-23T13:00:00.000Z", "2026-11-23T14:00:00.000Z"
NOISE = b"".join(hashlib.sha256(bytes([number // 256, number % 256])).digest() for number in range(2000))
ONE, TWO = rollout(f"{'a' * 12}-1"), rollout(f"{'b' * 12}-1")


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.fixture(params=["fake", "DynamoDB"])
def table(request: pytest.FixtureRequest) -> Iterator[ReleaseTable]:
    if request.param == "fake":
        yield FakeTable()
        return
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="releases",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
        )
        yield DynamoReleaseTable(client, table="releases", tell=lambda *_: None)


@pytest.fixture(params=["fake", "S3"])
def artifacts(request: pytest.FixtureRequest) -> Iterator[ArtifactStore]:
    if request.param == "fake":
        yield FakeArtifacts()
        return
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="slipway-artifacts")
        yield S3ArtifactStore(client, bucket="slipway-artifacts")


def registered(table: ReleaseTable, *seals: str) -> None:
    for item, seal in zip((ONE, TWO), seals or ("one", "two"), strict=False):
        table.add_release(release(item.release_id))
        assert table.register(item, seal)


def leased(table: ReleaseTable, until: str = LATER) -> Fence:
    token = table.take_lease(ONE, now=AT, expires_at=until)
    return Fence("chat", ONE.rollout_id, token, LATEST)


def test_an_empty_table_knows_nothing(table: ReleaseTable) -> None:
    assert table.endpoint("chat") is None
    assert table.endpoints() == []
    assert table.release("chat", ONE.release_id) is None
    assert table.rollout("chat", ONE.rollout_id) is None
    assert table.rollouts("chat") == []
    assert table.seal("s") is None
    assert table.newest_image() is None
    assert table.waiting() == []
    assert table.lease_holder("chat", AT) is None


def test_a_release_is_written_once_and_only_its_number_grows(table: ReleaseTable) -> None:
    table.add_release(release(ONE.release_id))
    table.add_release(release(ONE.release_id, artifact_id="2" * 64))

    assert [table.next_number("chat", ONE.release_id) for _ in range(3)] == [1, 2, 3]
    found = table.release("chat", ONE.release_id)
    assert found is not None
    assert (found.artifact_id, found.rollouts) == ("1" * 64, 3)


def test_a_release_that_is_not_recorded_has_no_numbers(table: ReleaseTable) -> None:
    with pytest.raises(ServiceUnavailableError, match="not recorded yet"):
        table.next_number("chat", ONE.release_id)


def test_a_seal_is_bound_once_and_a_rollout_id_is_given_once(table: ReleaseTable) -> None:
    assert table.register(ONE, "seal")

    assert not table.register(TWO, "seal")
    assert not table.register(ONE, "another seal")
    assert table.rollouts("chat") == [ONE]
    seal = table.seal("seal")
    assert seal is not None
    assert seal.rollout_id == ONE.rollout_id


def test_of_two_pushes_the_later_one_is_remembered_whichever_comes_first(table: ReleaseTable) -> None:
    old = ImageItem(pk="image", sk="newest", image=IMAGE, tag="release-1", pushed_at=AT)
    new = old.model_copy(update={"tag": "release-2", "pushed_at": LATER})

    table.push_image(new)
    table.push_image(old)

    assert table.newest_image() == new


def test_the_latest_drop_waits_and_only_it_can_stop_waiting(table: ReleaseTable) -> None:
    table.wait_for_image(waiting("new", LATER))
    table.wait_for_image(waiting("old", AT))
    assert table.waiting() == [waiting("new", LATER)]

    table.stop_waiting(waiting("old", AT))
    assert table.waiting() == [waiting("new", LATER)]
    table.stop_waiting(waiting("new", LATER))
    assert table.waiting() == []


def test_a_seal_that_waits_can_be_bound_when_the_image_comes(table: ReleaseTable) -> None:
    table.wait_for_image(waiting("seal"))
    unbound = table.seal("seal")
    assert unbound is not None
    assert unbound.rollout_id == ""

    assert table.register(ONE, "seal")
    table.wait_for_image(waiting("seal"))
    bound = table.seal("seal")
    assert bound is not None
    assert bound.rollout_id == ONE.rollout_id


def test_notes_are_kept_beside_what_is_there(table: ReleaseTable) -> None:
    registered(table)
    table.note_execution(ONE, "arn")
    table.note_artifact("chat", "3" * 64, LATER)

    found, endpoint = table.rollout("chat", ONE.rollout_id), table.endpoint("chat")
    assert found == ONE.model_copy(update={"execution_arn": "arn"})
    assert endpoint is not None
    assert (endpoint.newest_artifact_id, endpoint.live_release_id) == ("3" * 64, None)
    assert table.endpoints() == [endpoint]


def test_the_lease_has_one_holder_who_may_ask_again(table: ReleaseTable) -> None:
    registered(table)

    assert table.take_lease(ONE, now=AT, expires_at=LATER) == 1
    assert table.take_lease(ONE, now=AT, expires_at=LATER, or_stay=True) == 1
    with pytest.raises(LeaseHeldError, match=ONE.rollout_id):
        table.take_lease(ONE, now=AT, expires_at=LATER)
    with pytest.raises(LeaseHeldError, match=ONE.rollout_id):
        table.take_lease(TWO, now=AT, expires_at=LATER)
    assert table.lease_holder("chat", AT) == ONE.rollout_id
    held = table.rollout("chat", ONE.rollout_id)
    assert held is not None
    assert held.lease_token == 1


def test_a_dead_holder_s_lease_passes_on_and_its_fence_falls(table: ReleaseTable) -> None:
    registered(table)
    fence = leased(table, until=AT)

    assert table.lease_holder("chat", LATER) is None
    assert table.take_lease(TWO, now=LATER, expires_at=LATEST) == 2
    with pytest.raises(LeaseLostError, match="another rollout"):
        table.renew_lease(fence)
    with pytest.raises(LeaseLostError, match="another rollout"):
        table.enter(ONE, Entry(Phase.EXAMINED, "x", AT), fence)
    with pytest.raises(LeaseLostError, match="another rollout"):
        table.end(ONE, Entry(Phase.FAILED, "x", AT), fence)
    kept = table.rollout("chat", ONE.rollout_id)
    assert kept is not None
    assert kept.phase is Phase.RECEIVED


def test_a_token_from_an_earlier_turn_is_worth_nothing_in_a_later_one(table: ReleaseTable) -> None:
    registered(table)
    early = leased(table, until=AT)
    table.take_lease(TWO, now=LATER, expires_at=LATER)
    late = Fence("chat", ONE.rollout_id, table.take_lease(ONE, now=LATEST, expires_at=LATEST), LATEST)

    with pytest.raises(LeaseLostError):
        table.renew_lease(early)
    table.renew_lease(late)
    assert (early.token, late.token) == (1, 3)


def test_writing_under_the_lease_renews_it(table: ReleaseTable) -> None:
    registered(table)
    fence = leased(table, until=AT)

    table.enter(ONE, Entry(Phase.EXAMINED, "x", AT), fence)

    assert table.lease_holder("chat", LATEST) == ONE.rollout_id
    moved = table.rollout("chat", ONE.rollout_id)
    assert moved is not None
    other = Fence("chat", ONE.rollout_id, table.take_lease(moved, now=AT, expires_at=LATER, or_stay=True), LATEST)
    table.renew_lease(other)
    assert table.lease_holder("chat", LATEST) == ONE.rollout_id


def test_a_phase_is_entered_from_the_one_that_was_seen(table: ReleaseTable) -> None:
    registered(table)
    table.enter(ONE, Entry(Phase.EXAMINED, "sound", LATER))

    with pytest.raises(ServiceUnavailableError, match="look again"):
        table.enter(ONE, Entry(Phase.PLANNED, "late", LATEST))
    found = table.rollout("chat", ONE.rollout_id)
    assert found is not None
    assert [line.phase for line in found.history] == [Phase.RECEIVED, Phase.EXAMINED]
    assert (found.phase, found.reason, found.updated_at) == (Phase.EXAMINED, "sound", LATER)


def test_going_live_moves_the_endpoint_ends_the_former_and_frees_the_lease(table: ReleaseTable) -> None:
    registered(table)
    for item in (ONE, TWO):
        token = table.take_lease(item, now=AT, expires_at=LATER)
        fence = Fence("chat", item.rollout_id, token, LATER)
        table.end(item, Entry(Phase.LIVE, "serves", LATER), fence, live=release(item.release_id))

    endpoint, former = table.endpoint("chat"), table.rollout("chat", ONE.rollout_id)
    assert endpoint is not None
    assert endpoint.live_rollout_id == TWO.rollout_id
    assert (endpoint.live_release_id, endpoint.last_good_release_id) == (TWO.release_id, ONE.release_id)
    assert endpoint.image == IMAGE
    assert former is not None
    assert former.phase is Phase.SUPERSEDED
    assert TWO.rollout_id in former.reason
    assert table.lease_holder("chat", AT) is None


def test_a_second_rollout_of_what_serves_leaves_the_way_back_where_it_was(table: ReleaseTable) -> None:
    registered(table)
    again = rollout(f"{TWO.release_id}-2")
    assert table.register(again, "again")
    for item in (ONE, TWO, again):
        fence = Fence("chat", item.rollout_id, table.take_lease(item, now=AT, expires_at=LATER), LATER)
        table.end(item, Entry(Phase.LIVE, "serves", LATER), fence, live=release(item.release_id))

    endpoint = table.endpoint("chat")
    assert endpoint is not None
    assert (endpoint.live_rollout_id, endpoint.last_good_release_id) == (again.rollout_id, ONE.release_id)


def test_objects_are_listed_below_a_prefix_with_their_sizes(artifacts: ArtifactStore) -> None:
    for key, body in {"p/a": b"1", "p/b/c": b"22", "q/a": b"333"}.items():
        artifacts.write(key, body)

    assert artifacts.sizes("p/") == {"a": 1, "b/c": 2}
    assert artifacts.sizes("none/") == {}


def test_an_object_s_checksum_covers_the_object_and_a_missing_one_has_none(artifacts: ArtifactStore) -> None:
    """CRC-32 of "123456789" is CBF43926 by the catalogue of checksums; y/Q5Jg== in base64."""
    artifacts.write("a", b"123456789")

    found = artifacts.head("a")
    assert found is not None
    assert (found.size, found.checksum, found.crc32) == (9, "crc32:y/Q5Jg==", "y/Q5Jg==")
    assert artifacts.head("b") is None


def test_ranges_are_read_from_where_they_start(artifacts: ArtifactStore) -> None:
    artifacts.write("a", b"0123456789")

    assert artifacts.read("a") == b"0123456789"
    assert artifacts.read("a", length=3) == b"012"
    assert artifacts.read("a", start=8) == b"89"
    assert artifacts.read("a", start=2, length=3) == b"234"
    assert artifacts.read("a", start=8, length=100) == b"89"
    assert artifacts.read("a", start=2, length=0) == b""
    assert artifacts.read("a", start=10, length=3) == b""
    artifacts.write("empty", b"")
    assert artifacts.read("empty", length=3) == b""


def test_reading_what_is_not_there_says_that_it_has_not_arrived(artifacts: ArtifactStore) -> None:
    with pytest.raises(ArtifactIncompleteError, match="models/x is not there yet"):
        artifacts.read("models/x")


def test_a_copy_is_the_same_bytes(artifacts: ArtifactStore) -> None:
    artifacts.write("a", b"weights")

    artifacts.copy("a", "b", 7)

    assert artifacts.read("b") == b"weights"
    assert artifacts.sha256("b") == hashlib.sha256(b"weights").hexdigest()


def test_copying_what_is_not_there_says_that_it_has_not_arrived(artifacts: ArtifactStore) -> None:
    with pytest.raises(ArtifactIncompleteError, match="a is not there yet"):
        artifacts.copy("a", "b", 7)


def members(artifacts: ArtifactStore) -> Iterator[Member]:
    held = artifacts.head("t")
    assert held is not None
    return artifacts.members("t", held.checksum)


def test_a_tarball_that_was_replaced_is_not_read(artifacts: ArtifactStore) -> None:
    artifacts.write("t", tarball({"config.json": b"{}"}))
    members_of_the_first = members(artifacts)
    artifacts.write("t", tarball({"config.json": b"[]"}))

    with pytest.raises(ArtifactRejectedError, match="replaced by another tarball"):
        list(members_of_the_first)


def test_a_tarball_is_read_member_by_member(artifacts: ArtifactStore) -> None:
    artifacts.write("t", tarball({"./config.json": b"{}", "deep/w.safetensors": b"12345"}))

    digests = {
        member.path: artifacts.write_stream(f"out/{member.path}", member.body, member.size)
        for member in members(artifacts)
    }

    assert artifacts.sizes("out/") == {"config.json": 2, "deep/w.safetensors": 5}
    assert digests["config.json"] == hashlib.sha256(b"{}").hexdigest()


def odd_tarball(name: str, kind: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry)
    return packed.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"not a tarball", id="not gzip"),
        pytest.param(tarball({"a": bytes(100_000)})[:60], id="cut short"),
        pytest.param(tarball({"a": NOISE})[:20_000], id="cut in the middle of a file"),
        pytest.param(odd_tarball("link", tarfile.SYMTYPE), id="a symbolic link"),
        pytest.param(odd_tarball("link", tarfile.LNKTYPE), id="a hard link"),
        pytest.param(odd_tarball("pipe", tarfile.FIFOTYPE), id="a pipe"),
        pytest.param(odd_tarball("../up", tarfile.REGTYPE), id="a way out"),
        pytest.param(odd_tarball("/etc/x", tarfile.REGTYPE), id="an absolute path"),
    ],
)
def test_a_tarball_that_is_broken_or_dangerous_is_refused(artifacts: ArtifactStore, body: bytes) -> None:
    artifacts.write("t", body)

    with pytest.raises(ArtifactRejectedError, match="t"):
        [member.body.read() for member in members(artifacts)]


def test_a_folder_in_a_tarball_is_no_member(artifacts: ArtifactStore) -> None:
    artifacts.write("t", odd_tarball("folder", tarfile.DIRTYPE))

    assert list(members(artifacts)) == []
