"""The look that Gradio's own parts get; `static/page.css` has the rest, for every page alike."""

import gradio as gr


def theme() -> gr.themes.Base:
    """Fonts of the reader's own system: the page fetches nothing from other hosts."""
    soft = gr.themes.Soft(
        primary_hue="blue",
        neutral_hue="slate",
        font=["ui-sans-serif", "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    # White on the theme's own blue has a contrast of 3.7; text needs 4.5.
    return soft.set(button_primary_background_fill="*primary_600", button_primary_background_fill_hover="*primary_700")
