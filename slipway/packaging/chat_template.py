"""Which chat template an artifact gets: the model's own, or one that a person has chosen."""

import json
from pathlib import Path

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from release.domain.examination.listing import MAX_TEMPLATE_BYTES, TEMPLATE, TOKENIZER_CONFIG
from slipway.packaging.errors import PackageRefusedError
from slipway.packaging.sources import canonical, read_json

PLAIN = "plain"
_PLAIN_TEMPLATE = """\
{%- for message in messages %}
{{- message['role'] | capitalize }}: {{ message['content'] }}{{ '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- 'Assistant:' }}
{%- endif %}
"""


def settle_template(folder: Path, chosen: str | None, name: str) -> str:
    """Leave exactly one chat template in the folder; returns where it came from, for the recipe.

    Args:
        chosen: `plain`, the path of a Jinja file, or None for the model's own.

    Raises:
        PackageRefusedError: the model has none and none was chosen, or the chosen one is no Jinja.
    """
    if chosen is None:
        if not _has_template(folder):
            raise PackageRefusedError(
                f"{name} has no chat template, as base models do; choose one with --chat-template plain, a transcript "
                "of roles and texts, or --chat-template FILE"
            )
        return "own"
    source = _PLAIN_TEMPLATE if chosen == PLAIN else _read(Path(chosen))
    _forget_inline(folder / TOKENIZER_CONFIG)
    (folder / TEMPLATE).write_text(source, "utf-8")
    return PLAIN if chosen == PLAIN else "chosen"


def _has_template(folder: Path) -> bool:
    if (folder / TEMPLATE).is_file():
        return True
    config = folder / TOKENIZER_CONFIG
    inline = read_json(config).get("chat_template") if config.is_file() else None
    named = [one.get("name") for one in inline if isinstance(one, dict)] if isinstance(inline, list) else []
    return bool(inline) and (isinstance(inline, str) or "default" in named)


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        source = path.read_bytes().decode("utf-8") if size <= MAX_TEMPLATE_BYTES else ""
    except OSError as error:
        raise PackageRefusedError(
            f"the chat template {path} cannot be read ({error.strerror}); mend the path"
        ) from error
    except UnicodeDecodeError as error:
        raise PackageRefusedError(f"the chat template {path} is not UTF-8 text; save it again") from error
    if not source:
        raise PackageRefusedError(
            f"the chat template {path} has {size} bytes; it must have 1 to {MAX_TEMPLATE_BYTES}, so give another"
        )
    try:
        # Parsed only: compiling would already compute the template's constants.
        ImmutableSandboxedEnvironment(extensions=[loopcontrols]).parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise PackageRefusedError(f"line {error.lineno} of {path} is no Jinja: {error.message}; mend it") from error
    return source


def _forget_inline(path: Path) -> None:
    if not path.is_file():
        return
    config = read_json(path)
    if config.pop("chat_template", None) is not None:
        path.write_text(canonical(config), "utf-8")


def golden_scaffold() -> str:
    """One golden prompt that every model can pass; people add those whose answers they know."""
    prompt = {
        "id": "says-something",
        "messages": [{"role": "user", "content": "Say hello in one short sentence."}],
        "maxTokens": 32,
        "expect": {"regex": "\\S", "maxLatencySeconds": 30},
    }
    return json.dumps(prompt) + "\n"
