"""The text side of an artifact is transformers' own, without transformers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from artifact.folder import ArtifactRefusedError
from engine.protocol import Submit
from engine.text import ModelText, RequestRefusedError
from slipway.packaging.example_model import default_cache, prepare_example_model
from tests.integration.inference.tiny_model import CONTEXT_TOKENS, save_tiny_model

TALK = [
    {"role": "system", "content": "Be brief. “Ja!”"},
    {"role": "user", "content": "Two\n\nlines & <tags> {{ braces }} 🦭"},
    {"role": "assistant", "content": "  spaces  "},
    {"role": "user", "content": ""},
]
# What templates of real models do, in one: loops with state, filters, helpers, controls, trimmed blocks.
BUSY = """
{%- set ns = namespace(last='') -%}
{% for message in messages %}
    {% if message.role == 'system' %}{% continue %}{% endif %}
    {% if loop.index > 9 %}{% break %}{% endif %}
    {% generation %}[{{ message['role'] | upper }}]{{ message | tojson }}{% endgeneration %}
    {% set ns.last = message.content | trim %}
{% endfor %}
{{ bos_token }}{{ eos_token }}{{ tools is none }}{{ ns.last }}{{ strftime_now('%Y') }}
{% if add_generation_prompt %}>{% endif %}
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("text") / "model")


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(plain, copy)
    return copy


def reference(folder: Path, messages: list[dict[str, str]]) -> list[int]:
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    ids: list[int] = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    return ids


@pytest.mark.parametrize("messages", [TALK, TALK[1:2], TALK[1:]])
def test_the_example_models_chat_is_encoded_as_by_transformers(messages: list[dict[str, str]]) -> None:
    smol = prepare_example_model(default_cache(), print)

    assert ModelText(smol, 8192).encode(Submit("r", messages=messages)) == reference(smol, messages)


def test_a_busy_template_renders_as_by_transformers(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(BUSY)

    assert ModelText(folder, CONTEXT_TOKENS).encode(Submit("r", messages=TALK)) == reference(folder, TALK)


def test_a_template_in_the_tokenizers_settings_is_found(folder: Path) -> None:
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    settings = json.loads((folder / "tokenizer_config.json").read_bytes())
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": template}]
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": named}))

    assert ModelText(folder, CONTEXT_TOKENS).encode(Submit("r", messages=TALK)) == reference(folder, TALK)


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("{{ ''.__class__.__mro__[1].__subclasses__() }}", id="looks for classes"),
        pytest.param("{{ messages.append(1) }}", id="changes what it was given"),
        pytest.param("{{ cycler.__init__.__globals__.os.system('true') }}", id="looks for the system"),
        pytest.param("{{ 10 ** (10 ** 10) }}", id="computes for hours"),
        pytest.param("{{ 'x' * 1000 * 1000 * 1000 }}", id="fills the memory"),
    ],
)
def test_a_template_cannot_leave_its_sandbox(folder: Path, template: str) -> None:
    (folder / "chat_template.jinja").write_text(template)
    text = ModelText(folder, CONTEXT_TOKENS)

    with pytest.raises(RequestRefusedError, match="the model's chat template refuses the messages"):
        text.encode(Submit("r", messages=TALK))


def test_a_template_that_is_no_jinja_refuses_the_artifact(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{% for %}")

    with pytest.raises(ArtifactRefusedError, match="the chat template is no Jinja"):
        ModelText(folder, CONTEXT_TOKENS)


def test_a_tokenizer_that_is_none_refuses_the_artifact(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")

    with pytest.raises(ArtifactRefusedError, match=r"tokenizer\.json does not load"):
        ModelText(folder, CONTEXT_TOKENS)
