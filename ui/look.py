"""How the page looks: one column that is easy to read, on a phone, in the dark, and with a keyboard."""

import gradio as gr

CSS = """
.gradio-container main.contain { max-width: 54rem; width: 100%; margin-inline: auto !important; }
.gradio-container { --quiet: color-mix(in srgb, var(--body-text-color) 72%, transparent); }
#heading { padding: 0; }
#heading h1 { margin: 0; font-size: 1.5rem; }
#heading p { margin: .15rem 0 0; color: var(--quiet); }
#conversation { border: 0; background: transparent; min-height: 16rem; }
#conversation .bubble-wrap { background: transparent; }
#conversation .placeholder { text-align: center; }
#conversation button.example { border: 1px solid var(--border-color-primary);
  background: var(--block-background-fill); }
#conversation button.example:hover { border-color: var(--color-accent); }
#conversation pre, #conversation table { max-width: 100%; overflow-x: auto; }
#conversation small { color: var(--quiet); font-variant-numeric: tabular-nums; }
#conversation small.problem { color: var(--error-text-color); font-size: .95em; }
#question .input-container { padding: .35rem .35rem .35rem .6rem; border-radius: .75rem; align-items: end;
  border: 1px solid var(--border-color-primary); background: var(--input-background-fill); }
#question textarea { background: transparent; border: 0; box-shadow: none; }
#question button { padding: .35rem 1rem; border-radius: .5rem; color: var(--button-primary-text-color);
  background: var(--button-primary-background-fill); }
:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
"""


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
