"""The whole story on the real model: a drop becomes live, a second replaces it, a rollback brings the first back."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Answer, Running, eventually

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]


@dataclass
class Talker:
    """Someone who asks again and again while releases come and go."""

    ask: Callable[[], Answer]
    answers: list[Answer] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def talk(self) -> None:
        while not self._stop.is_set():
            try:
                self.answers.append(self.ask())
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is what the person would have seen
                self.failures.append(repr(error))
            time.sleep(0.2)

    def heard(self, release_id: str) -> bool:
        return any(answer.release_id == release_id for answer in self.answers)


@pytest.fixture
def talker(slipway: Running) -> Iterator[Talker]:
    someone = Talker(slipway.ask_for_a_stream)
    thread = threading.Thread(target=someone.talk)
    thread.start()
    yield someone
    someone._stop.set()
    thread.join(60)


def known(slipway: Running) -> set[str]:
    return {seen["executionArn"] for seen in slipway.releases_seen()}


def test_a_drop_is_replaced_by_the_next_and_comes_back_by_a_rollback(
    slipway: Running, talker: Talker, another_model: Path
) -> None:
    first, first_config = slipway.ask(), slipway.live_config()
    assert "Paris" in first.text
    streamed = slipway.ask_for_a_stream()
    assert (streamed.text, streamed.release_id) == (first.text, first.release_id)
    assert streamed.chunks >= 4, "the answer came in one piece"

    seen = known(slipway)
    slipway.drop(another_model, "v2")
    released = slipway.execution_after(seen)
    assert released["status"] == "SUCCEEDED", released
    second = slipway.ask()
    assert second.release_id == released["name"].split("-")[0] != first.release_id
    assert slipway.live_config() == f"slipway-chat-{released['name']}" != first_config
    assert "Paris" in second.text

    rolled_back = slipway.roll_back()
    assert rolled_back["status"] == "SUCCEEDED", rolled_back
    assert slipway.ask().release_id == first.release_id
    assert slipway.live_config() != first_config, "a rollback is a rollout of its own"
    eventually("the talker hears the first release again", lambda: talker.answers[-1].release_id == first.release_id)

    assert talker.failures == []
    assert talker.heard(second.release_id)
    assert all("Paris" in answer.text for answer in talker.answers)


def test_a_rollback_can_name_the_release_it_wants(slipway: Running) -> None:
    serving = slipway.ask().release_id
    other = next(name for seen in slipway.releases_seen() if (name := seen["name"].split("-")[0]) != serving)

    assert slipway.roll_back(to=other)["status"] == "SUCCEEDED"
    assert slipway.ask().release_id == other
    assert slipway.roll_back(to=serving)["status"] == "SUCCEEDED"
    assert slipway.ask().release_id == serving


def test_the_same_seal_told_twice_starts_one_rollout(slipway: Running) -> None:
    before = known(slipway)
    bucket = slipway.outputs["ArtifactBucketName"]
    head = slipway.client("s3").head_object(Bucket=bucket, Key="models/chat/v1/manifest.json")
    detail = {
        "version": "0",
        "bucket": {"name": bucket},
        "object": {
            "key": "models/chat/v1/manifest.json",
            "size": head["ContentLength"],
            "etag": head["ETag"].strip('"'),
            "version-id": head["VersionId"],
            "sequencer": "00617F08299329D189",
        },
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "source-ip-address": "127.0.0.1",
        "reason": "PutObject",
    }
    answer = slipway.client("lambda").invoke(
        FunctionName="slipway-receive-artifact", Payload=json.dumps(s3_event(detail, bucket)).encode()
    )
    reply = json.loads(answer["Payload"].read())

    assert "FunctionError" not in answer, reply
    assert reply["rolloutId"]
    assert known(slipway) == before


def s3_event(detail: dict[str, Any], bucket: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-11-23T12:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": detail,
    }


def with_a_pickle(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04N.")


def with_a_missing_shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {
        "metadata": {},
        "weight_map": {
            "model.embed_tokens.weight": "model-00001-of-00002.safetensors",
            "model.norm.weight": "model-00002-of-00002.safetensors",
        },
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        pytest.param(with_a_pickle, "pytorch_model.bin", id="a pickle is named"),
        pytest.param(with_a_missing_shard, "model-00002-of-00002.safetensors", id="the missing shard is named"),
    ],
)
def test_a_bad_artifact_is_refused_and_the_old_release_still_serves(
    slipway: Running, example_model: Path, tmp_path: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    serving, config, seen = slipway.ask().release_id, slipway.live_config(), known(slipway)
    folder = tmp_path / "bad"
    shutil.copytree(example_model, folder)
    (folder / "manifest.json").unlink(missing_ok=True)
    spoil(folder)

    slipway.drop(folder, f"bad-{spoil.__name__.replace('_', '-')}")
    refused = slipway.execution_after(seen)

    assert refused["status"] == "FAILED"
    assert sentence in refused["cause"]
    record = slipway.rollout(refused["name"])
    assert record["phase"] == "rejected"
    assert sentence in record["reason"]
    assert (slipway.ask().release_id, slipway.live_config()) == (serving, config)


def test_a_rollback_to_an_unknown_release_is_refused_with_a_record(slipway: Running) -> None:
    serving, config = slipway.ask().release_id, slipway.live_config()

    refused = slipway.roll_back(to="0123456789ab")

    assert refused["status"] == "FAILED"
    assert "0123456789ab" in refused["cause"]
    record = slipway.rollout("0123456789ab-1")
    assert (record["phase"], record["kind"]) == ("rejected", "rollback")
    assert (slipway.ask().release_id, slipway.live_config()) == (serving, config)


def test_bad_requests_are_the_callers_fault_and_say_why(slipway: Running) -> None:
    runtime = slipway.client("sagemaker-runtime")

    with pytest.raises(runtime.exceptions.ModelError) as refused:
        runtime.invoke_endpoint(EndpointName="slipway-chat", ContentType="application/json", Body=b'{"messages": []}')

    assert refused.value.response["OriginalStatusCode"] == 400
    error = json.loads(refused.value.response["OriginalMessage"])["error"]
    assert error["type"] == "invalid_request_error"
    assert error["release"] == slipway.ask().release_id
