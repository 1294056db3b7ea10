"""Write docs/cli.md and the schemas in events/cli/ from the commands themselves: `make docs`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from pydantic import TypeAdapter

from slipway.answers import ANSWERS
from slipway.cli import app
from slipway.wire import camel

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cli.md"
SCHEMAS = ROOT / "events" / "cli"
_HEAD = """# The command line

Generated from the commands by `make docs`; a test keeps this page current. The same verbs are methods of
`slipway.client.Slipway`, and each starts the execution that the console would start.

## Manners

- Data goes to stdout, everything else to stderr. A pipe gets the same lines without colours, bars or a tree;
  `NO_COLOR` is heeded.
- `--json` prints one JSON object on one line, or one per line where something is followed; times are ISO 8601 in UTC,
  money is text. Each shape has a schema in `events/cli/`. A later version may add fields; it takes none away.
- What changes something asks first on a terminal. Elsewhere it wants `--yes`, and does nothing without it.
- `slipway --install-completion` makes the shell complete commands and options.
- `SLIPWAY_STACK`, `SLIPWAY_ENDPOINT` and `SLIPWAY_ACTOR` stand for `--stack`, the endpoint and `--as`. Everything
  else comes from where every AWS client takes it: `AWS_PROFILE`, `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL`, …

## Exit codes

| code | means |
|---|---|
| 0 | done |
| 1 | a check of `doctor` failed, a link of `explain` is broken, `local up` failed, or this machine's disk is full |
| 2 | wrong usage: nothing was asked of AWS |
| 3 | not finished: it goes on without the command, or is not there yet |
| 4 | refused, declined, or the rollout did not end with what was asked for serving |
| 5 | AWS said no, or nothing: credentials, rights, an unknown stack, endpoint or release, the network |
| 130 | Ctrl-C; what was started goes on |

## Commands
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its words, in the order of the help."""
    yield from _below(typer.main.get_command(app()), "")


def _below(group: Any, words: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        path = f"{words} {name}".strip()
        if hasattr(command, "commands"):
            yield from _below(command, path)
        else:
            yield path, command


def page() -> str:
    return "\n".join([_HEAD, *(_section(words, command) for words, command in commands())])


def _section(words: str, command: Any) -> str:
    rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
    table = "\n".join(["| argument | means |", "|---|---|", *rows]) if rows else ""
    answer = ANSWERS.get(words)
    json_line = f"\n`--json`: [`events/cli/{_file(answer)}`](../events/cli/{_file(answer)}).\n" if answer else ""
    return f"### slipway {words}\n\n{_one_line(command.help or '')}\n\n{table}\n{json_line}"


def _row(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name.upper()}`"
    told = [_one_line(getattr(parameter, "help", None) or "")]
    if parameter.required:
        told.append("Required.")
    elif parameter.default not in {None, False} and not callable(parameter.default):
        told.append(f"Default: `{parameter.default}`.")
    return f"| {names} | {' '.join(filter(None, told))} |".replace("…|", "… |")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _file(answer: type) -> str:
    return f"{re.sub(r'(?<!^)(?=[A-Z])', '-', answer.__name__).lower()}.schema.json"


def schemas() -> dict[str, dict[str, Any]]:
    """Schema by file name."""
    return {_file(answer): schema_of(answer) for answer in ANSWERS.values()}


def schema_of(answer: type) -> dict[str, Any]:
    """As the answer is printed: camelCase, every field there, more of them allowed."""
    schema = _printed(TypeAdapter(answer).json_schema(mode="serialization"))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _printed(node: Any) -> Any:
    if isinstance(node, list):
        return [_printed(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _printed(entry) for name, entry in node.items() if name not in {"title", "default"}}
    if isinstance(node.get("properties"), dict):
        kept["properties"] = {camel(name): _printed(entry) for name, entry in node["properties"].items()}
        kept["required"] = list(kept["properties"])
    if "description" in kept:
        kept["description"] = _one_line(kept["description"])
    return kept


def text_of(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMAS.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    for name, schema in schemas().items():
        (SCHEMAS / name).write_text(text_of(schema), encoding="utf-8")
