"""The rules take the events that start a rollout and leave all others alone. moto's matcher is the judge."""

import copy
import json
from typing import Any

import pytest
from moto.events.models import EventPattern, EventPatternParser

from tests.contract.stack.documents import PSEUDO, example, of_type, resolve, template

UPLOAD = example("aws/s3-object-created")
PUSH = example("aws/ecr-image-action")
VALUES = PSEUDO | {
    "ArtifactBucket": UPLOAD["detail"]["bucket"]["name"],
    "InferenceRepository": PUSH["detail"]["repository-name"],
}


def takes(rule: str, event: dict[str, Any]) -> bool:
    raw = json.dumps(resolve(of_type(template(), "AWS::Events::Rule")[rule]["EventPattern"], VALUES))
    matched: bool = EventPattern(raw, EventPatternParser(raw).parse()).matches_event(event)  # type: ignore[arg-type] # any event
    return matched


def upload(key: str, **detail: Any) -> dict[str, Any]:
    event = copy.deepcopy(UPLOAD)
    event["detail"]["object"]["key"] = key
    event["detail"] |= detail
    return event


def push(**detail: Any) -> dict[str, Any]:
    event = copy.deepcopy(PUSH)
    event["detail"] |= detail
    return event


@pytest.mark.parametrize(
    "key",
    [
        "models/chat/v1/manifest.json",
        "models/chat/v1/model.tar.gz",
        "models/chat/2026-11-23T12:00/manifest.json",
    ],
)
def test_a_seal_is_taken(key: str) -> None:
    assert takes("ArtifactUploadedRule", upload(key))


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(upload("models/chat/v1/model.safetensors"), id="a file that seals nothing"),
        pytest.param(upload("published/6b3a/manifest.json"), id="our own copy"),
        pytest.param(upload("other/models/chat/v1/manifest.json"), id="another folder that holds models"),
        pytest.param(upload("models/chat/v1/manifest.json.bak"), id="a longer name"),
        pytest.param(upload("models/chat/v1/old-manifest.json"), id="a name that ends alike"),
        pytest.param(upload("models/manifest.json"), id="no endpoint and no version"),
        pytest.param(upload("models/chat/v1/MANIFEST.JSON"), id="another case"),
        pytest.param(upload("models/chat/v1/manifest.json", bucket={"name": "elsewhere"}), id="another bucket"),
        pytest.param(upload("models/chat/v1/manifest.json") | {"detail-type": "Object Deleted"}, id="a deletion"),
        pytest.param(upload("models/chat/v1/manifest.json") | {"source": "custom"}, id="not from S3"),
    ],
)
def test_what_seals_nothing_is_left_alone(event: dict[str, Any]) -> None:
    assert not takes("ArtifactUploadedRule", event)


@pytest.mark.parametrize("tag", ["release-1", "release-2026-11-23"])
def test_a_push_for_release_is_taken(tag: str) -> None:
    assert takes("ImagePushedRule", push(**{"image-tag": tag}))


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(push(**{"image-tag": "latest"}), id="another tag"),
        pytest.param(push(**{"image-tag": "cache-release-1"}), id="a tag that ends alike"),
        pytest.param(push(**{"image-tag": ""}), id="a child manifest without a tag"),
        pytest.param(push(**{"action-type": "DELETE"}), id="a deletion"),
        pytest.param(push(result="FAILURE"), id="a push that failed"),
        pytest.param(push(**{"repository-name": "slipway-chat-page"}), id="another repository"),
        pytest.param(push() | {"detail-type": "ECR Image Scan"}, id="a scan"),
    ],
)
def test_what_is_no_push_for_release_is_left_alone(event: dict[str, Any]) -> None:
    assert not takes("ImagePushedRule", event)


def test_no_rule_takes_the_other_rule_s_event() -> None:
    assert not takes("ArtifactUploadedRule", PUSH)
    assert not takes("ImagePushedRule", UPLOAD)
