"""What the client and the page send is what the contracts allow."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from slipway.client import ChatOptions, Message, Slipway
from ui.messages import FOOTER, said

EVENTS = Path(__file__).parents[3] / "events"
QUESTION: Message = {"role": "user", "content": "What is the capital of France?"}


def contract(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((EVENTS / f"{name}.schema.json").read_text(encoding="utf-8")))


class Listening:
    """In the place of any AWS client: keeps what it was asked and ends every conversation."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def invoke_endpoint_with_response_stream(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        return {"Body": [{"PayloadPart": {"Bytes": b"data: [DONE]\n\n"}}]}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(ChatOptions(), id="nothing chosen"),
        pytest.param(ChatOptions(max_tokens=16, temperature=0.0), id="the page's lowest"),
        pytest.param(ChatOptions(max_tokens=2048, temperature=2.0), id="the page's highest"),
        pytest.param(ChatOptions(top_p=1.0, seed=0, stop=("\n", "END")), id="everything else"),
    ],
)
def test_a_question_is_a_request_that_the_server_takes(options: ChatOptions) -> None:
    runtime = Listening()
    slipway = Slipway()
    vars(slipway.aws)["runtime"] = runtime  # where the client keeps its connection once it has one

    list(slipway.chat("chat", [{"role": "system", "content": "Be brief."}, QUESTION], options))

    contract("serving/invocation-request").validate(json.loads(runtime.asked["Body"]))


def test_the_pages_history_becomes_messages_of_the_contract() -> None:
    history: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": "Hi."},
        {"role": "assistant", "content": "<small>release …</small>", "metadata": {"id": FOOTER}},
    ]

    messages = [*said(history), QUESTION]

    contract("serving/invocation-request").validate({"messages": messages})
    assert [message["content"] for message in messages] == ["Hello", "Hi.", QUESTION["content"]]
