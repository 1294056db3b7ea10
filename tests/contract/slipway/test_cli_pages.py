"""What the commands say of themselves is what is written down of them."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from docs.describe_cli import PAGE, SCHEMAS, commands, page, schemas, text_of
from slipway import errors
from slipway.answers import ANSWERS

OWN_JSON = {"local env"}
"""Described where it is made: the variables that it exports."""


def test_the_page_of_the_command_line_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_schemas_of_the_answers_are_current(name: str) -> None:
    assert (SCHEMAS / name).read_text(encoding="utf-8") == text_of(schemas()[name]), "run `make docs`"


def test_no_schema_is_left_of_an_answer_that_is_gone() -> None:
    assert {path.name for path in SCHEMAS.glob("*.schema.json")} == set(schemas())


def test_every_command_that_prints_json_says_which() -> None:
    with_json = {words for words, command in commands() if any("--json" in each.opts for each in command.params)}

    described = {words for words in with_json if words in ANSWERS or words.startswith("local fault")}
    assert with_json - described <= OWN_JSON
    assert with_json >= ANSWERS.keys()


def test_every_command_prints_json_but_those_that_stay_in_the_foreground() -> None:
    silent = {words for words, command in commands() if not any("--json" in each.opts for each in command.params)}

    assert silent == {"local up"}


def test_every_command_says_what_it_does_and_what_each_option_means() -> None:
    for words, command in commands():
        assert command.help, words
        nameless = [each.name for each in command.params if not each.help]
        assert nameless == [], words


def test_an_answer_with_a_field_less_breaks_its_schema() -> None:
    example: dict[str, Any] = json.loads((SCHEMAS / "release-list.example.json").read_text(encoding="utf-8"))
    schema = schemas()["release-list.schema.json"]
    assert Draft202012Validator(schema).is_valid(example)

    del example["endpoint"]["liveReleaseId"]

    assert not Draft202012Validator(schema).is_valid(example)


def test_every_exit_code_of_an_error_is_on_the_page() -> None:
    codes = {
        error.exit_code
        for _, error in inspect.getmembers(errors, inspect.isclass)
        if issubclass(error, errors.SlipwayError)
    }
    told = {
        int(line.split("|")[1])
        for line in Path(PAGE).read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and line.split("|")[1].strip().isdigit()
    }
    assert codes <= told


def test_no_command_is_cut_off_in_the_list_of_all_on_80_columns() -> None:
    longest = max(len(name) for words, _ in commands() for name in words.split()[:1])
    room = 80 - longest - 6  # as click indents its lists

    assert [words for words, command in commands() if command.get_short_help_str(room).endswith("...")] == []
