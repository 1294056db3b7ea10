"""The examples of the client's page run, in their order, as one program."""

import re
from pathlib import Path

import pytest

from tests.contract.slipway.conftest import REFUSAL, Stack

PAGE = Path(__file__).parents[3] / "docs" / "client.md"


def test_the_examples_of_the_client_run(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    program = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))

    exec(compile(program, str(PAGE), "exec"), {})  # noqa: S102 - the page is ours, and running it is the test

    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{stack.live} {[stack.live, stack.older]}"
    assert said[1] == "['instanceCount'] 0.74"
    assert said[3] == "freeze of chat is done"
    assert REFUSAL in said[4]
    assert said[11].startswith("live")
    assert said[12] == "release verified"
