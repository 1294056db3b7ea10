"""The published schemas of the serving contract."""

import functools
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_FOLDER = Path(__file__).parents[3] / "events" / "serving"


@functools.cache
def schema(name: str) -> Draft202012Validator:
    content = json.loads((_FOLDER / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(content)
    return Draft202012Validator(content)


def allows(name: str, value: Any) -> bool:
    return bool(schema(name).is_valid(value))


def check(name: str, value: Any) -> None:
    """Raises jsonschema.ValidationError."""
    schema(name).validate(value)


def examples(prefix: str) -> list[Any]:
    return [json.loads(path.read_text()) for path in sorted(_FOLDER.glob(f"{prefix}*.example.json"))]
