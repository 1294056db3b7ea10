"""`slipway chat`: one question, answered as it comes."""

import sys
from typing import Annotated

import typer

from slipway.commands.options import AsJson, EndpointOption, Stack
from slipway.commands.terminal import open_client, open_screen, print_json
from slipway.errors import UsageError
from slipway.views import printable


def chat(
    question: Annotated[str, typer.Argument(help="What to ask; - reads it from stdin.")],
    *,
    endpoint: EndpointOption = "chat",
    max_tokens: Annotated[int, typer.Option(min=1, max=4096, help="The longest answer.")] = 256,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0, help="0: the same answer every time.")] = 0.0,
    stack: Stack = "slipway",
    as_json: AsJson = False,
) -> None:
    """Ask the endpoint one question. The answer goes to stdout as it comes."""
    asked = _read_question() if question == "-" else question
    if not asked.strip():
        raise UsageError("the question is empty; write it behind `slipway chat`, or give - and pipe it in")
    slipway, screen = open_client(stack), open_screen()
    said = ""
    with slipway.ask(endpoint, asked, max_tokens=max_tokens, temperature=temperature) as answer:
        for text in answer:
            said += text
            if not as_json:
                screen.data(printable(text), end="")
    if as_json:
        from slipway.answers import ChatAnswer

        ids = (endpoint, answer.release_id, answer.rollout_id)
        print_json(ChatAnswer(*ids, said, answer.finish_reason, answer.usage))
        return
    screen.data("")
    tokens = f", {answer.usage.completion_tokens} tokens" if answer.usage else ""
    screen.say(f"[release {answer.release_id or 'unknown'}{tokens}]")


def _read_question() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the question is no UTF-8 text, as its byte {error.start} shows; convert it first") from error
