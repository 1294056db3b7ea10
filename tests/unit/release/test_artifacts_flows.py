"""Examination and publication over fakes: what is refused, what is copied, what may change meanwhile."""

import base64
import hashlib
import json
import zlib
from typing import Any

import pytest

from release.contracts.steps import ExecutionInput, Published, RolloutStep
from release.domain.truth import Verdict
from release.errors import ArtifactRejectedError
from release.flows import publishing
from tests.builders.artifacts import artifact, tarball
from tests.builders.house import House
from tests.builders.records import IMAGE


@pytest.fixture
def house() -> House:
    return House()


def test_a_manifest_with_the_same_file_twice_cannot_be_used(house: House) -> None:
    entry = {"path": "config.json", "sizeBytes": 1, "sha256": "0" * 64}
    house.push()
    rollout = house.drop(manifest=json.dumps({"files": [entry, entry]}))
    assert rollout is not None

    judged = house.examining.examine(RolloutStep(endpoint="chat", rollout_id=rollout))

    assert judged.verdict is Verdict.FAILED
    assert "config.json twice" in judged.reason


def test_a_drop_whose_manifest_breaks_is_another_release_than_the_sound_one(house: House) -> None:
    house.push()
    sound = house.drop()
    house.artifacts.objects["models/chat/v1/manifest.json"] = b"{broken"

    broken = house.seal("models/chat/v1/manifest.json", version_id="8")

    assert sound is not None
    assert broken is not None
    assert broken.partition("-")[0] != sound.partition("-")[0]


def test_a_refusal_of_many_files_stays_readable(house: House) -> None:
    house.push()
    house.artifacts.objects |= {f"models/chat/v1/{number}.bin": b"x" for number in range(9)}
    rollout = house.drop()
    assert rollout is not None

    judged = house.examining.examine(RolloutStep(endpoint="chat", rollout_id=rollout))

    assert judged.reason.count("may be a pickle") == 5
    assert judged.reason.endswith(f"and 4 more in reports/chat/{rollout}/examination.json")


@pytest.mark.parametrize(
    ("changed", "because"),
    [({"sizeBytes": 7}, "manifest.json says 7"), ({"crc32": "AAAAAA=="}, "manifest.json says AAAAAA==")],
)
def test_a_file_that_differs_from_its_manifest_is_refused(house: House, changed: dict[str, Any], because: str) -> None:
    files = [
        {"path": path, "sizeBytes": len(body), "sha256": "0" * 64} | (changed if path == "config.json" else {})
        for path, body in artifact("v1").items()
    ]
    house.push()
    rollout = house.drop(manifest=json.dumps({"files": files}))
    assert rollout is not None

    judged = house.examining.examine(RolloutStep(endpoint="chat", rollout_id=rollout))

    assert judged.verdict is Verdict.FAILED
    assert because in judged.reason


def test_published_bytes_that_are_gone_are_no_artifact(house: House) -> None:
    first = house.live()
    house.live("v2")
    asked = ExecutionInput(input={"endpoint": "chat"}, execution_arn="arn:back")
    back = house.choosing.choose(asked).rollout_id
    house.artifacts.objects = {
        key: body for key, body in house.artifacts.objects.items() if not key.startswith("published/")
    }

    judged = house.examining.examine(RolloutStep(endpoint="chat", rollout_id=back))

    assert back.partition("-")[0] == first.rollout_id.partition("-")[0]
    assert judged.verdict is Verdict.FAILED
    assert "no longer published" in judged.reason


def test_published_bytes_are_examined_where_they_lie_with_the_image_of_the_day(house: House) -> None:
    house.live()
    house.live("v2")
    back = house.choosing.choose(ExecutionInput(input={"endpoint": "chat"}, execution_arn="arn:back")).rollout_id
    step = RolloutStep(endpoint="chat", rollout_id=back)

    house.registry.kinds[IMAGE] = "application/vnd.oci.image.manifest.v1+json"
    assert "which SageMaker refuses" in house.examining.examine(step).reason
    house.registry.kinds.clear()
    assert house.examining.examine(step).verdict is Verdict.PASSED


def test_a_copy_goes_on_where_it_stopped_and_its_manifest_names_every_digest(house: House) -> None:
    house.push()
    rollout = house.drop()
    assert rollout is not None
    step = RolloutStep(endpoint="chat", rollout_id=rollout)
    house.examining.examine(step)
    first: Published = house.publishing.publish(step)
    target = f"published/{first.artifact_id}/"
    whole = dict(house.artifacts.objects)
    del house.artifacts.objects[target + "manifest.json"], house.artifacts.objects[target + "config.json"]

    assert house.publishing.publish(step) == first
    assert house.artifacts.objects == whole
    manifest = json.loads(house.artifacts.objects[target + "manifest.json"])
    assert [file["path"] for file in manifest["files"]] == sorted(artifact())
    assert {file["sha256"] for file in manifest["files"]} == {
        house.artifacts.sha256(target + file["path"]) for file in manifest["files"]
    }


def test_a_file_that_changes_during_the_copy_stops_it(house: House) -> None:
    house.push()
    rollout = house.drop()
    assert rollout is not None
    step = RolloutStep(endpoint="chat", rollout_id=rollout)
    house.examining.examine(step)
    copy = house.artifacts.copy

    def change_meanwhile(key: str, target: str, size: int) -> None:
        copy(key, target, size)
        house.artifacts.objects["models/chat/v1/chat_template.jinja"] = b"{}"

    house.artifacts.copy = change_meanwhile  # type: ignore[method-assign]

    with pytest.raises(ArtifactRejectedError, match="changed after they were examined"):
        house.publishing.publish(step)
    assert not [key for key in house.artifacts.objects if key.startswith("published/") and "manifest" in key]


def sealed_by(files: dict[str, bytes]) -> str:
    """A manifest that declares each file's size and SHA-256."""
    entries = [
        {"path": path, "sizeBytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for path, body in files.items()
    ]
    return json.dumps({"files": entries})


@pytest.mark.parametrize("hashed", [0, 2**20], ids=["every file counts as large", "every file counts as small"])
def test_wrong_bytes_are_never_published_and_the_right_ones_pass_at_the_next_try(
    house: House, monkeypatch: pytest.MonkeyPatch, hashed: int
) -> None:
    monkeypatch.setattr(publishing, "MAX_HASHED_BYTES", hashed)
    house.push()
    right = artifact("v1")
    wrong = right["config.json"].replace(b"llama", b"LLAMA")
    rollout = house.drop(manifest=sealed_by(right))
    assert rollout is not None
    step = RolloutStep(endpoint="chat", rollout_id=rollout)
    house.artifacts.objects["models/chat/v1/config.json"] = wrong
    house.examining.examine(step)

    with pytest.raises(ArtifactRejectedError, match=r"config\.json has SHA-256"):
        house.publishing.publish(step)

    assert wrong not in [body for key, body in house.artifacts.objects.items() if key.startswith("published/")]
    house.artifacts.objects["models/chat/v1/config.json"] = right["config.json"]
    house.publishing.publish(step)
    assert right["config.json"] in [
        body for key, body in house.artifacts.objects.items() if key.startswith("published/")
    ]


def test_other_bytes_of_the_same_size_that_an_earlier_copy_left_are_replaced(house: House) -> None:
    house.push()
    rollout = house.drop()
    assert rollout is not None
    step = RolloutStep(endpoint="chat", rollout_id=rollout)
    house.examining.examine(step)
    published = f"published/{house.publishing.publish(step).artifact_id}/"
    del house.artifacts.objects[published + "manifest.json"]
    right = house.artifacts.objects[published + "tokenizer.json"]
    house.artifacts.objects[published + "tokenizer.json"] = b" " * len(right)

    house.publishing.publish(step)

    assert house.artifacts.objects[published + "tokenizer.json"] == right


def test_a_large_file_whose_crc_s3_compared_is_not_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "MAX_HASHED_BYTES", 0)
    house.push()
    manifest = json.loads(sealed_by(artifact("v1")))
    for entry in manifest["files"]:
        crc = zlib.crc32(artifact("v1")[entry["path"]]).to_bytes(4, "big")
        entry["crc32"] = base64.b64encode(crc).decode()
    rollout = house.drop(manifest=json.dumps(manifest))
    assert rollout is not None
    read: list[str] = []
    monkeypatch.setattr(house.artifacts, "sha256", read.append)

    assert house.publishing.publish(RolloutStep(endpoint="chat", rollout_id=rollout)).files == 4
    assert read == []


def test_a_tarball_that_was_replaced_after_its_examination_is_not_published(house: House) -> None:
    house.push()
    key = "models/chat/v1/model.tar.gz"
    house.artifacts.objects[key] = tarball(artifact("v1"))
    rollout = house.seal(key)
    assert rollout is not None
    step = RolloutStep(endpoint="chat", rollout_id=rollout)
    assert house.examining.examine(step).verdict is Verdict.PASSED
    house.artifacts.objects[key] = tarball(artifact("v1") | {"weights.bin": b"a pickle"})

    with pytest.raises(ArtifactRejectedError, match="changed after they were examined"):
        house.publishing.publish(step)
    assert not [each for each in house.artifacts.objects if each.startswith("published/")]


def test_a_tarball_is_taken_by_hand_where_there_is_no_manifest(house: House) -> None:
    house.push()
    house.artifacts.objects["models/chat/v1/model.tar.gz"] = b"packed"
    asked = {"endpoint": "chat", "artifact": "models/chat/v1/"}

    answer = house.registering.register(ExecutionInput(input=asked, execution_arn="arn"))

    rollout = house.rollout(RolloutStep(endpoint="chat", rollout_id=answer.rollout_id))
    assert rollout.source == "s3://slipway-artifacts/models/chat/v1/model.tar.gz"
    del house.artifacts.objects["models/chat/v1/model.tar.gz"]
    with pytest.raises(Exception, match="upload it again"):
        house.examining.examine(RolloutStep(endpoint="chat", rollout_id=answer.rollout_id))
