"""A conversation as the browser holds it: what was said, and the page's own remarks between.

The browser is where a conversation lives; the page keeps none. Each entry is a message of `gr.Chatbot`; the `id` of its
metadata tells what it is: `said <conversation>` on a question, and a remark's kind on a remark.
"""

import html
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from slipway.client import Message
from ui.answer import Answer

Entry = dict[str, Any]

FOOTER, PROBLEM, NOTE, WAITING = "footer", "problem", "note", "waiting"
_REMARKS = frozenset({FOOTER, PROBLEM, NOTE, WAITING})
_SAID = "said"
LONGEST_QUESTION = 32_000
"""Characters. The model's own limit is in tokens and lower; this one bounds what the page carries."""
GO_ON = "Your answer was cut off. Go on exactly where it stopped, without repeating anything."


def question_entry(text: str, history: Sequence[Entry]) -> Entry:
    conversation = conversation_of(history) or secrets.token_hex(8)
    return {"role": "user", "content": text[:LONGEST_QUESTION], "metadata": {"id": f"{_SAID} {conversation}"}}


def conversation_of(history: Sequence[Entry]) -> str:
    """The id that the conversation's first question gave it; empty before there is one."""
    for entry in history:
        kind, _, conversation = _mark(entry).partition(" ")
        if kind == _SAID:
            return conversation
    return ""


def shown(answer: Answer, endpoint: str) -> list[Entry]:
    """The entries of one answer: what was left out, the model's words, what went wrong, and who answered."""
    entries: list[Entry] = []
    if answer.left_out:
        entries.append(_remark(f"{NOTE} {answer.left_out}", NOTE, html.escape(_left_out(answer.left_out))))
    if answer.text:
        entries.append({"role": "assistant", "content": answer.text})
    if answer.waiting:
        entries.append(_remark(WAITING, WAITING, html.escape(answer.waiting)))
    if answer.trouble:
        kind, sentence = html.escape(answer.trouble.kind), html.escape(answer.trouble.sentence)
        entries.append(_remark(PROBLEM, PROBLEM, f"<strong>{kind}</strong> {sentence}"))
    elif answer.cut:
        entries.append(_remark(PROBLEM, NOTE, "It reached the longest answer that you set."))
    if answer.footer:
        entries.append(_remark(f"{FOOTER} {answer.release_id}", FOOTER, _footer(answer, endpoint)))
    return entries


def _left_out(count: int) -> str:
    return f"The model was not told the {count} oldest messages: its context holds no more."


def _footer(answer: Answer, endpoint: str) -> str:
    facts = html.escape(answer.facts)
    if not answer.release_id:
        return facts
    release = html.escape(answer.release_id)
    link = f'<a href="/releases/{html.escape(endpoint)}/{release}">release {release}</a>'
    return f"{link} · {facts}" if facts else link


def _remark(mark: str, kind: str, markup: str) -> Entry:
    return {"role": "assistant", "content": f'<small class="{kind}">{markup}</small>', "metadata": {"id": mark}}


def said(history: Iterable[Entry]) -> list[Message]:
    """What person and model said to each other: no remarks of the page, no question that got no answer."""
    messages: list[Message] = []
    for entry in history:
        text, role = text_of(entry), entry.get("role")
        if is_remark(entry) or not text or role not in {"user", "assistant"}:
            continue
        if role == "user" and messages and messages[-1]["role"] == "user":
            messages.pop()
        if role == "assistant" and messages and messages[-1]["role"] == "assistant":
            messages[-1]["content"] += text
            continue
        messages.append({"role": role, "content": text})
    if messages and messages[-1]["role"] == "user":
        messages.pop()
    return messages


def left_out_before(history: Sequence[Entry]) -> int:
    """How many messages the newest answer was not told; the next one will not hold them either."""
    for entry in reversed(history):
        kind, _, count = _mark(entry).partition(" ")
        if kind == NOTE and count.isdigit():
            return int(count)
    return 0


def release_at(history: Sequence[Entry], index: int) -> str:
    """The release that gave the answer at this place; empty where none is named."""
    for entry in history[index:]:
        if entry.get("role") == "user":
            break
        kind, _, release = _mark(entry).partition(" ")
        if kind == FOOTER:
            return release
    return ""


def answer_number(history: Sequence[Entry], index: int) -> int:
    """Which answer of the conversation holds this place, from 0; the same after a reload, where places may differ."""
    return sum(entry.get("role") == "user" for entry in history[:index])


def last_question(history: Sequence[Entry]) -> int | None:
    """The place of the newest question."""
    places = [place for place, entry in enumerate(history) if entry.get("role") == "user"]
    return places[-1] if places else None


def is_remark(entry: Entry) -> bool:
    return _mark(entry).partition(" ")[0] in _REMARKS


def text_of(entry: Entry) -> str:
    """Gradio hands a message's content over as a string or as a list of typed parts."""
    content = entry.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(str(part["text"]) for part in content if part.get("type") == "text")


def _mark(entry: Entry) -> str:
    return str((entry.get("metadata") or {}).get("id") or "")
