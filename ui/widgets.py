"""The parts that the pages are put together from."""

import html
from typing import Any

import gradio as gr

from ui.controls import LONGEST_SYSTEM_PROMPT, MAX_TOKENS, PRESETS, TEMPERATURE, TOP_P
from ui.messages import LONGEST_QUESTION
from ui.settings import Settings

EXAMPLES = (
    "What is the capital of France?",
    "Explain blue/green deployment in two sentences.",
    "Write a haiku about the sea.",
)
REASONS = ("Like", "Dislike", "Wrong", "Made up", "Not what I asked", "Too long", "Unsafe")
"""Gradio draws the first two as thumbs and lists the others under a flag."""
LATEX: tuple[dict[str, str | bool], ...] = (
    {"left": "$$", "right": "$$", "display": True},
    {"left": r"\[", "right": r"\]", "display": True},
    {"left": r"\(", "right": r"\)", "display": False},
)
_LONGEST = 256
_WAITING_LIMIT = 500
PAGES = (("Chat", "/"), ("Arena", "/arena/"), ("Releases", "/releases"))


def masthead(settings: Settings, here: str) -> str:
    """The same on every page: where one is, who serves, light or dark. `page.js` fills it with life."""
    links = "".join(
        f'<a href="{path}"{" aria-current=page" if name == here else ""}>{name}</a>' for name, path in PAGES
    )
    endpoint = html.escape(settings.endpoint)
    return (
        f'<h1 class="unseen">Slipway: {here}</h1>'
        '<header class="masthead"><a class="brand" href="/"><span aria-hidden="true">◐</span> Slipway</a>'
        f'<nav aria-label="Pages">{links}</nav>'
        f'<a class="pill" data-status="{endpoint}" href="/releases">{endpoint}</a>'
        '<button class="quiet-button" type="button" data-theme-toggle aria-label="Light or dark">◐</button></header>'
    )


def markup(text: str, elem_id: str) -> gr.Markdown:
    """HTML of our own, escaped by its writer. `gr.HTML` would evaluate it as a template, which the page forbids."""
    return gr.Markdown(text, elem_id=elem_id, sanitize_html=False)


def let_stream(page: gr.Blocks, settings: Settings) -> None:
    """Gradio caps all streams of a page at its number of threads, 40 unless set before queue()."""
    page.max_threads = settings.streams
    page.queue(api_open=False, max_size=_WAITING_LIMIT, default_concurrency_limit=settings.streams)


def conversation() -> gr.Chatbot:
    return gr.Chatbot(
        label="Conversation",
        show_label=False,
        container=False,
        elem_id="conversation",
        buttons=["copy", "copy_all"],  # without "share", which uploads the conversation
        feedback_options=list(REASONS),
        editable="user",
        latex_delimiters=list(LATEX),
        allow_tags=False,
        layout="bubble",
        placeholder="## What would you like to know?\nEvery answer names the release that gave it.",
        examples=[{"text": question} for question in EXAMPLES],
        scale=1,
        height=None,
    )


def side(name: str) -> gr.Chatbot:
    """One of the arena's two answers, without anything that tells whose it is."""
    return gr.Chatbot(
        label=f"Answer {name}",
        elem_id=f"side-{name}",
        elem_classes=["side"],
        buttons=["copy"],
        feedback_options=None,
        latex_delimiters=list(LATEX),
        allow_tags=False,
        height=420,
    )


def question() -> gr.Textbox:
    return gr.Textbox(
        label="Your question",
        elem_id="question",
        placeholder="Ask the model something",
        show_label=False,
        container=False,
        autofocus=True,
        max_lines=8,
        max_length=LONGEST_QUESTION,
        # Words, not icons: they are the buttons' names for who cannot see them.
        submit_btn="Ask",
        stop_btn=False,
    )


def busy() -> Any:
    return gr.Textbox(value="", submit_btn=False, stop_btn="Stop", interactive=True)


def idle() -> Any:
    return gr.Textbox(submit_btn="Ask", stop_btn=False, interactive=True)


def controls() -> tuple[gr.Radio, list[Any]]:
    """The preset's choice, and what a handler gets of the rest: system prompt, temperature, top_p, tokens, seed."""
    system = gr.Textbox(
        label="System prompt",
        info="What the model should know and how it should speak, before the conversation.",
        lines=2,
        max_lines=6,
        max_length=LONGEST_SYSTEM_PROMPT,
    )
    preset = gr.Radio([one.name for one in PRESETS], value=PRESETS[0].name, label="Preset")
    with gr.Row():
        temperature = gr.Slider(*TEMPERATURE, PRESETS[0].temperature, step=0.1, label="Temperature")
        top_p = gr.Slider(*TOP_P, PRESETS[0].top_p, step=0.05, label="Top p")
    with gr.Row():
        longest = gr.Slider(*MAX_TOKENS, _LONGEST, step=16, label="Longest answer, tokens")
        seed = gr.Number(label="Seed", value=-1, precision=0, minimum=-1, info="-1 for another answer every time.")
    return preset, [system, temperature, top_p, longest, seed]
