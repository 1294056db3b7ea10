import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.domain.identity import drop_seal, push_seal, rollout_id, seal_digest
from release.domain.keys import Drop, NotADrop, Source, published_prefix, sealed_drop
from release.domain.names import Names, name_problem

SAGEMAKER_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
LEGAL_NAME = st.from_regex(r"[a-z0-9](-?[a-z0-9]){0,19}", fullmatch=True).filter(lambda name: len(name) <= 20)


@given(LEGAL_NAME, LEGAL_NAME, st.integers(1, 999_999))
def test_every_composed_name_is_one_that_sagemaker_takes(stack: str, endpoint: str, number: int) -> None:
    names = Names(stack, endpoint)
    rollout = rollout_id("0" * 12, number)

    assert SAGEMAKER_NAME.fullmatch(names.sagemaker_endpoint)
    assert SAGEMAKER_NAME.fullmatch(names.of_rollout(rollout))
    assert names.guard_alarm(rollout).startswith(names.of_rollout(rollout))


def test_names_of_the_example_stack() -> None:
    names = Names("slipway", "chat")

    assert names.sagemaker_endpoint == "slipway-chat"
    assert names.settings_parameter == "/slipway/endpoints/chat"
    assert names.of_rollout("3f2a91c07d4e-1") == "slipway-chat-3f2a91c07d4e-1"


@pytest.mark.parametrize(
    ("name", "because"),
    [
        pytest.param("a" * 21, "21 characters, the limit is 20", id="one character too long"),
        pytest.param("", "lower-case", id="empty"),
        pytest.param("Chat", "lower-case", id="a capital"),
        pytest.param("a--b", "single hyphens", id="two hyphens together"),
        pytest.param("-a", "lower-case", id="a hyphen at the front"),
        pytest.param("a-", "lower-case", id="a hyphen at the end"),
    ],
)
def test_an_illegal_name_is_refused_with_the_rule_that_it_breaks(name: str, because: str) -> None:
    assert because in (name_problem(name) or "")
    with pytest.raises(ValueError, match=because):
        Names("slipway", name)


@pytest.mark.parametrize("seal", ["manifest.json", "model.tar.gz"])
def test_the_sealing_object_of_a_drop_is_recognised(seal: str) -> None:
    drop = sealed_drop(f"models/chat/v1/{seal}")

    assert drop == Drop("chat", "v1", seal)
    assert drop.prefix == "models/chat/v1/"
    assert drop.key == f"models/chat/v1/{seal}"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("models/chat/v1/config.json", id="an ordinary file"),
        pytest.param("models/chat/v1/deep/manifest.json", id="a manifest further down"),
        pytest.param("models/chat/manifest.json", id="no version"),
        pytest.param("published/chat/v1/manifest.json", id="our own copy"),
        pytest.param("models/Chat!/v1/manifest.json", id="no legal endpoint"),
        pytest.param("models/chat//manifest.json", id="an empty version"),
        pytest.param("models/chat/../manifest.json", id="a version that climbs"),
        pytest.param("models/chat/./manifest.json", id="a version that stays"),
        pytest.param("manifest.json", id="the top"),
    ],
)
def test_any_other_object_seals_nothing_and_is_told_why(key: str) -> None:
    answer = sealed_drop(key)

    assert isinstance(answer, NotADrop)
    assert key in answer.reason


@pytest.mark.parametrize(
    ("text", "is_tarball"),
    [
        ("s3://bucket/models/chat/v1/", False),
        ("s3://bucket/models/chat/v1/model.tar.gz", True),
        (published_prefix("0" * 64), False),
    ],
)
def test_a_source_is_read_as_it_was_written(text: str, is_tarball: bool) -> None:  # noqa: FBT001 - a table's column
    source = Source.parse(text)

    assert str(source) == text
    assert source.is_tarball is is_tarball


def test_a_published_source_is_the_prefix_alone() -> None:
    assert str(Source.published("0" * 64)) == f"published/{'0' * 64}/"


@pytest.mark.parametrize("text", ["", "s3://bucket", "s3://bucket/key.bin", "models/chat/v1"])
def test_what_no_source_ever_was_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no source"):
        Source.parse(text)


def test_seals_tell_versions_and_tags_apart() -> None:
    seals = {
        drop_seal("b", "models/chat/v1/manifest.json", "1"),
        drop_seal("b", "models/chat/v1/manifest.json", "2"),
        push_seal("r", "sha256:0", "release-1", "chat"),
        push_seal("r", "sha256:0", "release-2", "chat"),
        push_seal("r", "sha256:0", "release-2", "help"),
    }

    assert len({seal_digest(seal) for seal in seals}) == 5


def test_a_seal_s_digest_is_the_sha_256_of_its_text() -> None:
    """SHA-256 of the text, worked with `printf abc | sha256sum`."""
    assert seal_digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
