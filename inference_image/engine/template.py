"""A model's chat template: Jinja that came with the artifact, run in a sandbox."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from artifact.folder import ArtifactRefusedError

_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_LONGEST_REPEAT = 100_000


class ChatTemplate:
    """Renders as transformers does: same environment, same helpers, same variables.

    Raises:
        ArtifactRefusedError: the template is no Jinja.

    Source:
        https://huggingface.co/docs/transformers/chat_templating_writing
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        self._special = dict(special_tokens)
        environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        environment.filters["tojson"] = _tojson
        environment.globals.update(raise_exception=_refuse, strftime_now=_strftime_now)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise ArtifactRefusedError(f"the chat template is no Jinja: {error}; mend it") from error

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Whatever the template raises comes through."""
        return self._template.render(
            messages=messages, tools=None, documents=None, add_generation_prompt=True, **self._special
        )


def read_template(folder: Path, tokenizer_config: Mapping[str, Any]) -> ChatTemplate | None:
    """The artifact's template: its own file, else the tokenizer's; None if it has none."""
    file = folder / "chat_template.jinja"
    source = file.read_text("utf-8") if file.is_file() else tokenizer_config.get("chat_template")
    if isinstance(source, list):
        # Several named ones; the others are for tools and retrieval.
        source = {one["name"]: one["template"] for one in source}.get("default")
    return ChatTemplate(source, special_tokens(folder, tokenizer_config)) if source else None


def special_tokens(folder: Path, tokenizer_config: Mapping[str, Any]) -> dict[str, str]:
    """Their texts by role, as far as the artifact names them."""
    file = folder / "special_tokens_map.json"
    named = {**(json.loads(file.read_bytes()) if file.is_file() else {}), **tokenizer_config}
    found = {role: named[role] for role in _SPECIAL if named.get(role)}
    return {role: token["content"] if isinstance(token, dict) else str(token) for role, token in found.items()}


class _Sandbox(ImmutableSandboxedEnvironment):
    """Without the two operators that turn a short template into gigabytes.

    Jinja computes what is constant while it compiles, except for operators that are intercepted.
    """

    intercepted_binops = frozenset({"**", "*"})

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any) -> Any:
        repeated = next((one for one in (left, right) if isinstance(one, str | list | tuple)), "")
        if operator == "**" or (repeated and len(repeated) * (right if repeated is left else left) > _LONGEST_REPEAT):
            _refuse(f"the template makes something of any size with {operator!r}; rewrite it")
        return super().call_binop(context, operator, left, right)


class _Generation(Extension):
    """`{% generation %}` marks what a model said, for training. Here it is its content."""

    tags = {"generation"}  # noqa: RUF012 - the attribute that jinja2 reads

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        next(parser.stream)
        body: list[jinja2.nodes.Node] = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return body


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - positional in templates, as in transformers
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002 - the same
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)  # noqa: DTZ005 - the local time, as transformers has it
