"""The chat page itself."""

import html
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import gradio as gr

from slipway.client import ChatOptions, Message
from ui.conversation import Answer, Client, ask
from ui.settings import Settings

FOOTER, PROBLEM = "footer", "problem"
EXAMPLES = (
    "What is the capital of France?",
    "Explain blue/green deployment in two sentences.",
    "Write a haiku about the sea.",
)
_GREEDY, _LONGEST = 0.0, 256
_WAITING_LIMIT = 500


def build_page(client: Client, settings: Settings) -> gr.Blocks:
    """A page whose every answer streams, can be stopped, and names the release that gave it."""
    threads = ThreadPoolExecutor(settings.streams, "answer")

    async def respond(
        message: str, history: list[dict[str, Any]], temperature: float, max_tokens: float
    ) -> AsyncIterator[list[dict[str, Any]]]:
        messages: list[Message] = [*said(history), {"role": "user", "content": message}]
        options = ChatOptions(max_tokens=int(max_tokens), temperature=temperature)
        async with aclosing(ask(client, settings.endpoint, messages, options, threads)) as answers:
            async for answer in answers:
                yield shown(answer)

    page = gr.Blocks(title="Slipway chat", fill_height=True, analytics_enabled=False)
    with page:
        gr.Markdown(
            f"# Slipway\nEndpoint {settings.stack}-{settings.endpoint}. Every answer names the release that gave it.",
            elem_id="heading",
        )
        gr.ChatInterface(
            respond,
            chatbot=_conversation(),
            textbox=_question(),
            examples=[[question] for question in EXAMPLES],
            cache_examples=False,
            additional_inputs=[_temperature(), _longest_answer()],
            additional_inputs_accordion=gr.Accordion("How to answer", open=False, render=False),
            concurrency_limit=settings.streams,
            flagging_mode="never",
            api_visibility="private",
            analytics_enabled=False,
        )
    # Gradio caps all streams at this number of threads, 40 unless set before queue().
    page.max_threads = settings.streams
    page.queue(api_open=False, max_size=_WAITING_LIMIT, default_concurrency_limit=settings.streams)
    return page


def _conversation() -> gr.Chatbot:
    return gr.Chatbot(
        label="Conversation",
        show_label=False,
        elem_id="conversation",
        buttons=["copy", "copy_all"],  # without "share", which uploads the conversation
        feedback_options=None,
        allow_tags=False,
        placeholder="## What would you like to know?\nType a question, or begin with one of these.",
        scale=1,
        height=None,
        render=False,
    )


def _question() -> gr.Textbox:
    return gr.Textbox(
        label="Your question",
        elem_id="question",
        placeholder="Ask the model something",
        show_label=False,
        container=False,
        autofocus=True,
        max_lines=8,
        # Words, not icons: they are the buttons' names for who cannot see them.
        submit_btn="Ask",
        stop_btn="Stop",
        scale=7,
        render=False,
    )


def _temperature() -> gr.Slider:
    return gr.Slider(
        0.0, 2.0, _GREEDY, step=0.1, label="Temperature", info="0: the same answer every time", render=False
    )


def _longest_answer() -> gr.Slider:
    return gr.Slider(16, 2048, _LONGEST, step=16, label="Longest answer, tokens", render=False)


def shown(answer: Answer) -> list[dict[str, Any]]:
    """The messages of one answer: the model's words, what went wrong, and who answered."""
    messages: list[dict[str, Any]] = []
    if answer.text:
        messages.append({"role": "assistant", "content": answer.text})
    if answer.problem:
        messages.append(_remark(PROBLEM, answer.problem))
    if answer.footer:
        messages.append(_remark(FOOTER, answer.footer))
    return messages


def _remark(kind: str, text: str) -> dict[str, Any]:
    """A line of the page, not of the model; `said` knows it by its metadata."""
    return {
        "role": "assistant",
        "content": f'<small class="{kind}">{html.escape(text)}</small>',
        "metadata": {"id": kind},
    }


def said(history: Iterable[dict[str, Any]]) -> list[Message]:
    """What person and model said to each other: no remarks of the page, no question that got no answer."""
    messages: list[Message] = []
    for entry in history:
        text = _text(entry["content"])
        if (entry.get("metadata") or {}).get("id") in {FOOTER, PROBLEM} or not text:
            continue
        if entry["role"] == "user" and messages and messages[-1]["role"] == "user":
            messages.pop()
        messages.append({"role": entry["role"], "content": text})
    if messages and messages[-1]["role"] == "user":
        messages.pop()
    return messages


def _text(content: str | Sequence[dict[str, Any]]) -> str:
    """Gradio hands a message's content over as a string or as a list of typed parts."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")
