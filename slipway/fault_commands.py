"""`slipway local fault`: make the running embedded AWS fail on purpose, see what struck, and make it well again."""

import json
import os
import re
from typing import Annotated, Any

import typer

from slipway.commands.group import Group
from slipway.commands.terminal import open_screen
from slipway.errors import AwsUnreachableError, UsageError
from slipway.local_env import Ports, RunFile
from slipway.wire import camel

_PATH = "/_local/faults"
_TIMEOUT_S = 10.0
_OPTION = re.compile(r"--([a-z][a-z-]*)(?:=(.*))?", re.DOTALL)
# What a line of the list says in columns of its own.
_COLUMNS = ("id", "kind", "failure", "times", "after", "struck")

fault = typer.Typer(cls=Group, no_args_is_help=True, help="Make the running embedded AWS fail on purpose.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class FaultBoardClient:
    """The board of faults of the embedded AWS that runs on this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    @classmethod
    def of_the_running(cls) -> "FaultBoardClient":
        """Raises AwsUnreachableError when no embedded AWS of `slipway local up` runs on the port."""
        from slipway.packaging.example_model import default_cache  # noqa: PLC0415 - the same as below

        port = Ports.of_environment(os.environ).aws
        if RunFile.read(default_cache(), port) is None:
            raise AwsUnreachableError(
                f"no embedded AWS runs on port {port}; start one with `slipway local up`, "
                "or set SLIPWAY_AWS_PORT to the port of the one that runs"
            )
        return cls(port)

    def ask(self, method: str, path: str = "", body: dict[str, Any] | None = None) -> Any:
        """One request; the answer's JSON, or None.

        Raises:
            UsageError: the board refused; the message is its sentence.
            AwsUnreachableError: nobody answered.
        """
        import http.client  # noqa: PLC0415 - the help of a command shall not wait for it

        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        headers = {"Content-Type": "application/json"}
        try:
            connection.request(method, _PATH + path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise AwsUnreachableError(
                f"the embedded AWS on port {self._port} did not answer ({error}); is it still starting?"
            ) from error
        finally:
            connection.close()
        said = json.loads(content) if content else None
        if answer.status >= http.client.BAD_REQUEST:
            raise UsageError(said["message"] if said else f"{method} {path} was refused with {answer.status}")
        return said


@fault.command("set", context_settings={"ignore_unknown_options": True})
def set_fault(
    words: Annotated[
        list[str],
        typer.Argument(metavar="KIND [FAILURE] [--FIELD VALUE]...", help="As `slipway local fault kinds` lists."),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Put a fault on the board. As in: slipway local fault set api throttled --service dynamodb --times 3."""
    body = fault_of(words)
    new = FaultBoardClient.of_the_running().ask("POST", body=body)
    screen = open_screen()
    screen.data(json.dumps(new) if as_json else new["id"])
    if not as_json:
        screen.say(f"{_sentence(new)}; `slipway local fault clear {new['id']}` ends it")


@fault.command("list")
def list_faults(*, as_json: AsJson = False) -> None:
    """List the faults that are set, and how often each struck."""
    faults = FaultBoardClient.of_the_running().ask("GET")["faults"]
    screen = open_screen()
    if as_json:
        screen.data(json.dumps(faults))
    elif not faults:
        screen.say("no faults are set; `slipway local fault set` sets one")
    else:
        rows = [[name.upper() for name in (*_COLUMNS, "where")], *map(_row, faults)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            screen.data("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@fault.command("clear")
def clear_faults(
    fault_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="All without it.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Forget one fault, or all."""
    board = FaultBoardClient.of_the_running()
    cleared = [fault_id] if fault_id else [one["id"] for one in board.ask("GET")["faults"]]
    board.ask("DELETE", f"/{fault_id}" if fault_id else "")
    screen = open_screen()
    if as_json:
        screen.data(json.dumps({"cleared": cleared}))
    else:
        screen.say(f"cleared {', '.join(cleared) or 'nothing: no faults were set'}")


@fault.command("kinds")
def list_kinds(*, as_json: AsJson = False) -> None:
    """List what can fail. The kinds, their failures, and the fields that narrow them."""
    from local.fault_json import failures_of, fault_kinds, fields_of  # noqa: PLC0415 - only this command needs it

    kinds = {
        name: {"failures": failures_of(kind), "fields": [one for one in fields_of(kind) if one != "failure"]}
        for name, kind in fault_kinds().items()
    }
    screen = open_screen()
    if as_json:
        screen.data(json.dumps(kinds))
        return
    for name, kind in kinds.items():
        screen.data(f"{name}  {' | '.join(kind['failures'])}".rstrip())
        screen.data(f"    {' '.join(f'--{_kebab(field)}' for field in kind['fields'])}")


def fault_of(words: list[str]) -> dict[str, Any]:
    """The fault's JSON, from `api throttled --service s3 --times=3`; its fields are judged by the board.

    Raises:
        UsageError: an option has no value, or a word stands where none can.
    """
    kind, *rest = words
    body: dict[str, Any] = {"kind": kind}
    if rest and not rest[0].startswith("--"):
        body["failure"] = rest.pop(0)
    while rest:
        word = rest.pop(0)
        option = _OPTION.fullmatch(word)
        if option is None:
            raise UsageError(f"{word!r} is no option; write fields as --service s3 or --service=s3")
        if option[2] is None and not rest:
            raise UsageError(f"{word} needs a value; `slipway local fault kinds` lists the fields")
        body[camel(option[1].replace("-", "_"))] = option[2] if option[2] is not None else rest.pop(0)
    return body


def _kebab(field: str) -> str:
    return re.sub(r"([A-Z])", lambda letter: f"-{letter[1].lower()}", field)


def _row(fault_said: dict[str, Any]) -> list[str]:
    def cell(name: str) -> str:
        value = fault_said.get(name)
        return "-" if value is None else str(value)

    return [*map(cell, _COLUMNS), _where(fault_said)]


def _where(fault_said: dict[str, Any]) -> str:
    fields = {name: value for name, value in fault_said.items() if name not in _COLUMNS}
    told = [f"{_kebab(name)}={value}" for name, value in fields.items() if value not in {"*", 0.0}]
    return " ".join(told) or "everything"


def _sentence(fault_said: dict[str, Any]) -> str:
    times = fault_said["times"]
    how_often = "until it is cleared" if times is None else f"{times} times"
    what = " ".join(str(fault_said[name]) for name in ("kind", "failure") if name in fault_said)
    after = f" after {fault_said['after']} occasions" if fault_said["after"] else ""
    return f"{what} of {_where(fault_said)}, {how_often}{after}"
