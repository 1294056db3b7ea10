"""One hostile artifact: what is dropped, and what the refusal must say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.builders.artifacts import CONFIG, TOKENIZER, artifact


@dataclass(frozen=True)
class Hostile:
    """An artifact that must be refused.

    Args:
        name: what is wrong, for people.
        sentence: what one problem of the report must contain: the file at fault and the reason.
        files: the whole drop, without its manifest.
        manifest: None: one that declares every file as it is.
        config: part of a config, on top of the tests' own.
        tarball: dropped in place of the files.
    """

    name: str
    sentence: str
    files: Mapping[str, bytes] = field(default_factory=artifact)
    manifest: Mapping[str, Any] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    tarball: bytes = b""


def drop(**changes: bytes) -> dict[str, bytes]:
    return artifact() | changes


def with_config(**changes: Any) -> dict[str, bytes]:
    """A sound artifact but for its config.json; None takes a key away."""
    config = {key: value for key, value in (CONFIG | changes).items() if value is not None}
    return artifact() | {"config.json": json.dumps(config).encode()}


def with_tokenizer(**changes: Any) -> dict[str, bytes]:
    return artifact() | {"tokenizer.json": json.dumps(TOKENIZER | changes).encode()}


def with_tokenizer_config(**settings: Any) -> dict[str, bytes]:
    return artifact() | {"tokenizer_config.json": json.dumps(settings).encode()}


def with_template(source: str) -> dict[str, bytes]:
    return artifact() | {"chat_template.jinja": source.encode()}
