"""The contracts hold themselves: every schema is valid, has an example, and refuses what it should."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

EVENTS = Path(__file__).parents[3] / "events"
SCHEMAS = sorted(EVENTS.rglob("*.schema.json"))
EXAMPLES = sorted(EVENTS.rglob("*.example.json"))


def schema_of(example: Path) -> Path:
    return example.with_name(example.name.split(".")[0] + ".schema.json")


def validator(schema: Path) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))


def name(path: Path) -> str:
    return str(path.relative_to(EVENTS))


@pytest.mark.parametrize("schema", SCHEMAS, ids=name)
def test_every_schema_is_a_schema_and_has_an_example(schema: Path) -> None:
    Draft202012Validator.check_schema(json.loads(schema.read_text(encoding="utf-8")))

    assert [example for example in EXAMPLES if schema_of(example) == schema]


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_every_example_keeps_its_contract(example: Path) -> None:
    validator(schema_of(example)).validate(json.loads(example.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "example", [path for path in EXAMPLES if path.parent.name in {"artifact", "release", "table", "serving"}], ids=name
)
def test_our_own_shapes_refuse_a_field_that_nobody_declared(example: Path) -> None:
    value: Any = json.loads(example.read_text(encoding="utf-8"))
    value = value[0] if isinstance(value, list) else value
    if isinstance(value, str):  # the custom attributes: one string
        value += ";surprise=1"
    else:
        value["surprise"] = 1

    assert not validator(schema_of(example)).is_valid(value)


def test_the_readme_names_every_folder_of_contracts() -> None:
    folders = {path.name for path in EVENTS.iterdir() if path.is_dir()}
    readme = (EVENTS / "README.md").read_text(encoding="utf-8")

    assert {folder for folder in folders if f"`{folder}/`" in readme} == folders
