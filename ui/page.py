"""The chat page: its layout, and which event leads where."""

from typing import Any

import gradio as gr

from ui import chat_page as chat
from ui import widgets
from ui.asking import Asker
from ui.ballot import Ballot
from ui.settings import Settings


def build_page(asker: Asker, ballot: Ballot, settings: Settings) -> gr.Blocks:
    """A page whose every answer streams, can be stopped, and names the release that gave it."""
    page = gr.Blocks(title="Slipway chat", fill_height=True, analytics_enabled=False)
    with page:
        widgets.markup(widgets.masthead(settings, "Chat"), "masthead")
        _Layout(chat.Chat(asker, ballot, settings), settings).build(page)
    widgets.let_stream(page, settings)
    return page


class _Layout:
    def __init__(self, handlers: chat.Chat, settings: Settings) -> None:
        self._handlers, self._settings = handlers, settings

    def build(self, page: gr.Blocks) -> None:
        # The key hides it from other sites' scripts, not from this browser's owner, whose conversations they are.
        self.saved = gr.BrowserState([], storage_key="slipway-conversations", secret=self._settings.stack)
        with gr.Sidebar(label="Conversations", open=False, width=280, elem_id="history"):
            self.new = gr.Button("New conversation", variant="primary", size="sm")
            self.list = gr.Radio([], label="Kept in this browser", elem_id="kept", interactive=True)
            self.forget = gr.Button("Forget this one", size="sm")
            self.export = gr.Button("Export", size="sm")
            self.downloads = widgets.markup("", "downloads")
        self.chat = widgets.conversation()
        self.more = gr.Button("Continue", visible=False, size="sm", elem_id="continue")
        self.box = widgets.question()
        with gr.Accordion("How to answer", open=False, elem_id="controls"):
            self.preset, self.controls = widgets.controls()
        self._wire_asking()
        self._wire_history(page)

    def _wire_asking(self) -> None:
        told = [self.box, self.chat, self.more]
        handlers = self._handlers
        begun = [
            self.box.submit(handlers.submit, [self.box, self.chat, *self.controls], told, **_streaming(self._settings)),
            self.chat.retry(handlers.retry, [self.chat, *self.controls], told, **_streaming(self._settings)),
            self.chat.edit(handlers.edit, [self.chat, *self.controls], told, **_streaming(self._settings)),
            self.more.click(handlers.go_on, [self.chat, *self.controls], told, **_streaming(self._settings)),
            self.chat.example_select(chat.example, None, self.box, **_quiet()).then(
                handlers.submit, [self.box, self.chat, *self.controls], told, **_streaming(self._settings)
            ),
        ]
        saving: dict[str, Any] = {"inputs": [self.chat, self.saved], "outputs": [self.saved, self.list]}
        for event in begun:
            event.then(chat.save, **saving, **_quiet())
        stopped = self.box.stop(chat.stopped, None, [self.box, self.more], cancels=begun, **_quiet())
        stopped.then(chat.save, **saving, **_quiet())
        self.chat.undo(chat.undo, self.chat, [self.chat, self.box], **_quiet()).then(chat.save, **saving, **_quiet())
        self.chat.like(handlers.judge, self.chat, None, **_quiet())
        self.preset.input(chat.preset, self.preset, self.controls[1:3], **_quiet())

    def _wire_history(self, page: gr.Blocks) -> None:
        page.load(chat.list_saved, self.saved, self.list, **_quiet())
        self.list.input(chat.open_saved, [self.list, self.saved], [self.chat, self.more, self.downloads], **_quiet())
        self.new.click(chat.fresh, None, [self.chat, self.list, self.more, self.downloads], **_quiet())
        self.chat.clear(chat.fresh, None, [self.chat, self.list, self.more, self.downloads], **_quiet())
        forgotten = [self.saved, self.list, self.chat, self.downloads]
        self.forget.click(chat.forget, [self.list, self.saved], forgotten, **_quiet())
        self.export.click(chat.export, self.chat, self.downloads, **_quiet())


def _streaming(settings: Settings) -> dict[str, Any]:
    return {"concurrency_limit": settings.streams, "show_progress": "hidden", "api_visibility": "private"}


def _quiet() -> dict[str, Any]:
    return {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
