"""What of the conversation goes back to the model, and what the page is told from outside."""

from typing import Any

import pytest

from ui.answer import Answer
from ui.messages import said, shown
from ui.settings import Settings
from ui.trouble import Kind, Trouble

BROKEN = Trouble(Kind.BROKEN, "The answer broke off.")


def test_the_model_hears_words_and_never_the_remarks_of_the_page() -> None:
    history = [
        {"role": "user", "content": "Hello"},
        *shown(Answer("Hi!", release_id="3f2a91c07d4e", trouble=BROKEN), "chat"),
    ]

    assert said(history) == [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}]


def test_a_question_that_got_no_answer_is_not_told_again() -> None:
    unanswered: list[dict[str, Any]] = [
        {"role": "user", "content": "one"},
        *shown(Answer(trouble=Trouble(Kind.OVERLOADED, "The queue is full.")), "chat"),
    ]
    answered: list[dict[str, Any]] = [{"role": "user", "content": "two"}, {"role": "assistant", "content": "2"}]

    assert said(unanswered) == []
    assert [message["content"] for message in said(unanswered + answered)] == ["two", "2"]


def test_content_in_parts_is_read_as_its_text() -> None:
    history: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "Good "}, {"type": "text", "text": "day"}]},
        {"role": "assistant", "content": "Hi!", "metadata": None},
    ]

    assert said(history)[0]["content"] == "Good day"


def test_a_remark_cannot_carry_markup_of_its_own() -> None:
    (remark,) = shown(Answer(trouble=Trouble(Kind.FAILED, "<script>alert(1)</script>")), "chat")

    assert "<script>" not in remark["content"]


def test_settings_come_from_the_task_definitions_variables() -> None:
    settings = Settings.of_environment(
        {"HOST": "0.0.0.0", "PORT": "8000", "SLIPWAY_STACK": "other", "SLIPWAY_ENDPOINT": "code"}  # noqa: S104 - a case
    )

    assert (settings.host, settings.port, settings.stack, settings.endpoint) == ("0.0.0.0", 8000, "other", "code")  # noqa: S104


@pytest.mark.parametrize("port", ["", "0", "65536", "x"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(ValueError, match="PORT is"):
        Settings.of_environment({"PORT": port})
