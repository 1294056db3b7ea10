"""The container's environment."""

import json
from pathlib import Path

import pytest

from server.settings import Settings, SettingsError, read_settings

SERVING = Path(__file__).parents[3] / "events" / "serving"
IDS = {"SLIPWAY_RELEASE_ID": "3f2a91c07d4e", "SLIPWAY_ROLLOUT_ID": "3f2a91c07d4e-1"}


def test_the_published_example_is_understood() -> None:
    example = json.loads((SERVING / "container-environment.example.json").read_text())

    settings = read_settings(example)

    assert settings == Settings("3f2a91c07d4e", "3f2a91c07d4e-1", model_name="chat", max_concurrency=16)


def test_every_variable_of_the_contract_changes_a_setting() -> None:
    values = {
        "SLIPWAY_MODEL_NAME": "m",
        "SLIPWAY_MODEL_DIR": "/m",
        "SLIPWAY_MAX_CONCURRENCY": "3",
        "SLIPWAY_MAX_QUEUE": "0",
        "SLIPWAY_MAX_MODEL_LEN": "77",
        "SLIPWAY_MAX_NEW_TOKENS": "5",
        "SLIPWAY_DTYPE": "float16",
        "SLIPWAY_THREADS": "2",
        "SAGEMAKER_BIND_TO_PORT": "81",
        "SLIPWAY_IMAGE_DIGEST": "sha256:" + "0" * 64,
        "SAGEMAKER_ENABLE_STATEFUL_SESSIONS": "true",
        "SAGEMAKER_SESSIONS_EXPIRATION": "60",
    }
    contract = json.loads((SERVING / "container-environment.schema.json").read_text())
    assert set(contract["properties"]) == set(values) | set(IDS)

    plain = read_settings(IDS)
    for name, value in values.items():
        assert read_settings({**IDS, name: value}) != plain, f"{name} is read by nobody"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"SLIPWAY_RELEASE_ID": ""}, "SLIPWAY_RELEASE_ID is ''", id="no release"),
        pytest.param({"SLIPWAY_RELEASE_ID": "3F2A91C07D4E"}, "SLIPWAY_RELEASE_ID", id="capitals"),
        pytest.param({"SLIPWAY_ROLLOUT_ID": "3f2a91c07d4e-0"}, "SLIPWAY_ROLLOUT_ID", id="rollouts count from one"),
        pytest.param({"SLIPWAY_MAX_CONCURRENCY": "0"}, "SLIPWAY_MAX_CONCURRENCY is '0'.*from 1 to 9999", id="none"),
        pytest.param({"SLIPWAY_MAX_QUEUE": "many"}, "SLIPWAY_MAX_QUEUE is 'many'", id="a word"),
        pytest.param({"SLIPWAY_THREADS": "²"}, "SLIPWAY_THREADS", id="a digit, but not ours"),
        pytest.param({"SAGEMAKER_BIND_TO_PORT": "65536"}, "SAGEMAKER_BIND_TO_PORT.*to 65535", id="no such port"),
        pytest.param({"SLIPWAY_DTYPE": "int4"}, "SLIPWAY_DTYPE is 'int4'; set it to one of auto", id="dtype"),
    ],
)
def test_a_wrong_variable_is_named_with_its_limit(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        read_settings({**IDS, **changed})
