"""What the JSON documents of an artifact may say: nothing that makes a model library import or fetch code."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from release.domain.strict_json import JsonError, parse, parse_object

# Keys through which a model library imports or fetches code while it reads a config, whatever they are set to.
_EXECUTING_KEYS = frozenset(
    {
        "auto_map",
        "custom_generate",
        "custom_pipelines",
        "kernel_config",
        "trust_remote_code",
        "use_kernels",
        "_attn_implementation_internal",
        "_experts_implementation_internal",
    }
)
# Private names configure a library's inside (CVE-2026-4372 ran code through one). These are written by transformers
# itself and only say where a config came from or what it says elsewhere.
_HARMLESS_PRIVATE_KEYS = frozenset(
    {
        "_commit_hash",
        "_from_model_config",
        "_model_name_or_path",
        "_name_or_path",
        "_attn_implementation_autoset",
        # BitsAndBytesConfig.to_dict repeats two settings under private names.
        "_load_in_4bit",
        "_load_in_8bit",
    }
)
_IMPLEMENTATION = re.compile(r"_?(attn|experts)_implementation")
_LOCAL_IMPLEMENTATIONS = frozenset({"eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"})
_SHORT = 80
# Keys whose value is the name of another file that the library opens.
_FILE_KEY = re.compile(r".*_file")


def is_config(path: str) -> bool:
    """Whether the file configures a library; elsewhere, as in a vocabulary, names are only data."""
    return path.endswith("config.json") or PurePosixPath(path).name == "special_tokens_map.json"


def document_problems(path: str, text: bytes) -> list[str]:
    """What is wrong with one `.json` file, whatever it is for."""
    try:
        if not is_config(path):
            parse(text)
            return []
        document = parse_object(text)
    except JsonError as error:
        return [f"{path} {error}"]
    return sorted({problem for key, value in _settings(document) for problem in _setting_problems(path, key, value)})


def parsed(documents: Mapping[str, bytes], path: str) -> dict[str, Any] | None:
    """The document; None if it is missing or `document_problems` has told what is wrong with it."""
    try:
        return parse_object(documents[path]) if path in documents else None
    except JsonError:
        return None


def _settings(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key that is set to anything but null or false, at any depth."""
    pending = [value]
    while pending:
        match pending.pop():
            case dict(entries):
                yield from ((key, entry) for key, entry in entries.items() if entry is not None and entry is not False)
                pending.extend(entries.values())
            case list(entries):
                pending.extend(entries)


def _setting_problems(path: str, key: str, value: Any) -> Iterator[str]:
    if key in _EXECUTING_KEYS:
        yield f"{path} sets {key!r}, which makes the server run code from elsewhere; remove it"
    elif _IMPLEMENTATION.fullmatch(key):
        if value not in _LOCAL_IMPLEMENTATIONS:
            yield f"{path} sets {key!r} to {_short(value)}, which a library would fetch as code; remove it"
    elif key.startswith("_") and key not in _HARMLESS_PRIVATE_KEYS:
        yield f"{path} sets {key!r}, a private name of the model library; remove it"
    elif _FILE_KEY.fullmatch(key) and isinstance(value, str) and _leaves(value):
        yield f"{path} sets {key!r} to {_short(value)}, which lies outside the artifact; remove it"


def _leaves(path: str) -> bool:
    return path.startswith(("/", "~")) or "://" in path or ".." in path.split("/") or "\\" in path


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
