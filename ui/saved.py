"""Conversations that the browser keeps; what leaves it again is what a person opens or asks about."""

import base64
import html
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict

from ui.messages import Entry, conversation_of, is_remark, text_of

MOST = 30
"""Conversations that are kept; the oldest goes when a new one comes."""
LARGEST_BYTES = 400_000
"""Of all of them together: browsers give a site some megabytes, and each save sends them here and back."""
_TITLE = 40


class Saved(TypedDict):
    conversation: str
    title: str
    at: str
    entries: list[Entry]


def kept(saved: Sequence[Saved] | None, history: Sequence[Entry]) -> list[Saved]:
    """With this conversation as it is now, newest first, as many as fit."""
    conversation = conversation_of(history)
    others = [one for one in saved or [] if one["conversation"] != conversation]
    if not conversation:
        return others
    entries = [_plain(entry) for entry in history]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    newest = Saved(conversation=conversation, title=title_of(entries), at=now, entries=entries)
    return _fitting([newest, *others][:MOST])


def without(saved: Sequence[Saved] | None, conversation: str) -> list[Saved]:
    return [one for one in saved or [] if one["conversation"] != conversation]


def opened(saved: Sequence[Saved] | None, conversation: str | None) -> list[Entry]:
    """Its entries; empty when the browser does not keep it (any more)."""
    return next((one["entries"] for one in saved or [] if one["conversation"] == conversation), [])


def choices(saved: Sequence[Saved] | None) -> list[tuple[str, str]]:
    return [(one["title"], one["conversation"]) for one in saved or []]


def title_of(history: Sequence[Entry]) -> str:
    first = next((text_of(entry) for entry in history if entry.get("role") == "user"), "")
    line = " ".join(first.split())
    return f"{line[:_TITLE]}…" if len(line) > _TITLE else line


def as_markdown(history: Sequence[Entry]) -> str:
    who = {"user": "You", "assistant": "Model"}
    parts = [f"**{who.get(str(entry.get('role')), 'Model')}**\n\n{text_of(entry)}\n" for entry in _words(history)]
    return f"# {title_of(history)}\n\n" + "\n".join(parts)


def as_json(history: Sequence[Entry]) -> str:
    """Messages as the model's server takes them, each answer with the release that gave it."""
    messages: list[dict[str, Any]] = []
    for entry in history:
        kind, _, release = str((entry.get("metadata") or {}).get("id") or "").partition(" ")
        if kind == "footer" and messages:
            messages[-1]["release"] = release
        elif not is_remark(entry):
            messages.append({"role": entry.get("role"), "content": text_of(entry)})
    return json.dumps({"messages": messages}, ensure_ascii=False, indent=2)


def downloads(history: Sequence[Entry]) -> str:
    """Two links that hold the conversation themselves, so that the page writes no file."""
    if not conversation_of(history):
        return "<p class='quiet'>There is nothing to export yet.</p>"
    name = "conversation-" + conversation_of(history)[:6]
    links = (_link("Markdown", f"{name}.md", "text/markdown", as_markdown(history)),)
    return "<p>" + " · ".join((*links, _link("JSON", f"{name}.json", "application/json", as_json(history)))) + "</p>"


def _link(label: str, name: str, kind: str, text: str) -> str:
    data = base64.b64encode(text.encode()).decode()
    return f'<a download="{html.escape(name)}" href="data:{kind};base64,{data}">Save as {label}</a>'


def _words(history: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in history if not is_remark(entry)]


def _plain(entry: Entry) -> Entry:
    """What opening it again needs, without what Gradio adds to a message."""
    mark = (entry.get("metadata") or {}).get("id")
    plain = {"role": entry.get("role"), "content": text_of(entry)}
    return plain | ({"metadata": {"id": mark}} if mark else {})


def _fitting(saved: list[Saved]) -> list[Saved]:
    while len(saved) > 1 and len(json.dumps(saved)) > LARGEST_BYTES:
        saved = saved[:-1]
    return saved
