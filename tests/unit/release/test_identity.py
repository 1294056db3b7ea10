import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.domain.config import merge
from release.domain.identity import SealedFile, artifact_id, canonical_json, release_id

FILES = [SealedFile("config.json", 861, "sha256:aa"), SealedFile("model.safetensors", 269060552, "sha256:bb")]


def test_an_artifact_s_id_is_the_digest_of_its_sorted_rows() -> None:
    rows = b'[["config.json",861,"sha256:aa"],["model.safetensors",269060552,"sha256:bb"]]'

    assert artifact_id(FILES) == hashlib.sha256(rows).hexdigest()


def test_a_release_s_id_is_the_first_twelve_digits_over_the_four() -> None:
    four = b'{"artifact":"a","config":{"bakeSeconds":60},"endpoint":"chat","image":"i"}'

    assert release_id("chat", "a", "i", {"bakeSeconds": 60}) == hashlib.sha256(four).hexdigest()[:12]


@given(st.lists(st.builds(SealedFile, st.text(), st.integers(1), st.text())), st.randoms())
def test_the_order_of_the_upload_never_matters(files: list[SealedFile], chance: random.Random) -> None:
    shuffled = list(files)
    chance.shuffle(shuffled)

    assert artifact_id(shuffled) == artifact_id(files)


@pytest.mark.parametrize(
    "changed",
    [
        SealedFile("config.jso", 861, "sha256:aa"),
        SealedFile("config.json", 862, "sha256:aa"),
        SealedFile("config.json", 861, "sha256:ab"),
    ],
)
def test_a_changed_path_size_or_checksum_makes_another_artifact(changed: SealedFile) -> None:
    assert artifact_id([changed, FILES[1]]) != artifact_id(FILES)


@pytest.mark.parametrize(
    "other",
    [
        ("help", "a", "i", {"bakeSeconds": 60}),
        ("chat", "b", "i", {"bakeSeconds": 60}),
        ("chat", "a", "j", {"bakeSeconds": 60}),
        ("chat", "a", "i", {"bakeSeconds": 61}),
    ],
)
def test_each_of_the_four_makes_another_release(other: tuple[str, str, str, dict[str, int]]) -> None:
    assert release_id(*other) != release_id("chat", "a", "i", {"bakeSeconds": 60})


def test_canonical_json_has_one_spelling_and_no_nan() -> None:
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_later_layers_win_and_environments_merge_by_name() -> None:
    defaults = {
        "bakeSeconds": 300,
        "strategy": "auto",
        "environment": {"SLIPWAY_THREADS": "1", "SLIPWAY_DTYPE": "auto"},
    }
    settings = {"bakeSeconds": 600}
    manifest = {"environment": {"SLIPWAY_THREADS": "4"}}

    assert merge(defaults, settings, manifest) == {
        "bakeSeconds": 600,
        "strategy": "auto",
        "environment": {"SLIPWAY_THREADS": "4", "SLIPWAY_DTYPE": "auto"},
    }


def test_merging_changes_none_of_its_layers_and_invents_nothing() -> None:
    defaults = {"environment": {"SLIPWAY_THREADS": "1"}}

    assert merge({}, {"bakeSeconds": 1}) == {"bakeSeconds": 1}
    merge(defaults, {"environment": {"SLIPWAY_DTYPE": "auto"}})["environment"].clear()
    assert defaults == {"environment": {"SLIPWAY_THREADS": "1"}}
