"""The container's environment, read once and here only (`events/serving/container-environment`)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_RELEASE = re.compile(r"[0-9a-f]{12}")
_ROLLOUT = re.compile(r"[0-9a-f]{12}-[1-9][0-9]{0,5}")
_IMAGE = re.compile(r"(sha256:[0-9a-f]{64})?")
_DTYPES = ("auto", "int8", "float32", "bfloat16", "float16")


class SettingsError(Exception):
    """The environment is not one that the server can start with; the message names the variable."""


@dataclass(frozen=True)
class Settings:
    release_id: str
    rollout_id: str
    model_name: str = "slipway"
    model_dir: str = "/opt/ml/model"
    port: int = 8080
    max_concurrency: int = 16
    """Requests that run together."""
    max_queue: int = 64
    """Requests that wait for a slot; one more is refused."""
    max_model_len: int | None = None
    max_new_tokens: int = 512
    dtype: str = "auto"
    threads: int | None = None
    image_digest: str = ""
    """Of the container's image, as the release pinned it; empty where nobody told."""
    stateful_sessions: bool = False
    session_s: int = 1200
    """Seconds that a session lives."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Raises SettingsError."""
    return Settings(
        release_id=_match(environment, "SLIPWAY_RELEASE_ID", _RELEASE),
        rollout_id=_match(environment, "SLIPWAY_ROLLOUT_ID", _ROLLOUT),
        model_name=environment.get("SLIPWAY_MODEL_NAME", "slipway"),
        model_dir=environment.get("SLIPWAY_MODEL_DIR", "/opt/ml/model"),
        port=_count(environment, "SAGEMAKER_BIND_TO_PORT", 8080, 10, 65_535),
        max_concurrency=_count(environment, "SLIPWAY_MAX_CONCURRENCY", 16, 1, 9_999),
        max_queue=_count(environment, "SLIPWAY_MAX_QUEUE", 64, 0, 99_999),
        max_model_len=_optional_count(environment, "SLIPWAY_MAX_MODEL_LEN", 10, 9_999_999),
        max_new_tokens=_count(environment, "SLIPWAY_MAX_NEW_TOKENS", 512, 1, 999_999),
        dtype=_choice(environment, "SLIPWAY_DTYPE", _DTYPES),
        threads=_optional_count(environment, "SLIPWAY_THREADS", 1, 999),
        image_digest=_match(environment, "SLIPWAY_IMAGE_DIGEST", _IMAGE),
        stateful_sessions=_choice(environment, "SAGEMAKER_ENABLE_STATEFUL_SESSIONS", ("false", "true")) == "true",
        session_s=_count(environment, "SAGEMAKER_SESSIONS_EXPIRATION", 1200, 1, 99_999),
    )


def _match(environment: Mapping[str, str], name: str, pattern: re.Pattern[str]) -> str:
    value = environment.get(name, "")
    if not pattern.fullmatch(value):
        raise SettingsError(f"{name} is {value!r}, which does not match {pattern.pattern}; set it to the rollout's own")
    return value


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = environment.get(name, choices[0])
    if value not in choices:
        raise SettingsError(f"{name} is {value!r}; set it to one of {', '.join(choices)}")
    return value


def _optional_count(environment: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    return _count(environment, name, low, low, high) if name in environment else None


def _count(environment: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = environment.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,7}", value) or not low <= int(value) <= high:
        raise SettingsError(f"{name} is {value!r}; set it to a whole number from {low} to {high}")
    return int(value)
