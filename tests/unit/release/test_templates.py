"""Chat templates as models have them pass, and what passes runs in the image."""

import pytest

from engine.template import ChatTemplate
from release.adapters.templates import MAX_NUMBER, JinjaTemplates

CHATML = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful assistant<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

TOOLS = """{%- set ns = namespace(found=false) -%}
{%- macro part(text, indent=2) -%}{{- text | trim | indent(indent) -}}{%- endmacro -%}
{{- bos_token }}{{- strftime_now("%d %b %Y") }}
{%- if not messages %}{{- raise_exception("No messages") }}{%- endif %}
{%- for message in messages | selectattr("role", "ne", "tool") %}
  {%- if message.role == "assistant" %}{% generation %}{{ part(message.content) }}{% endgeneration %}
  {%- elif message.content is string and not ns.found %}{%- set ns.found = true %}
    {{- message.content | tojson(indent=4) }}
  {%- else %}{%- continue %}{%- endif %}
  {%- if loop.index0 > 1000 %}{%- break %}{%- endif %}
{%- endfor %}{{ "=" * 20 }}{{ messages[::-1] | length }}{{ 2 * 3 }}
{{- messages | map(attribute="role") | join(", ") }}"""

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize("source", [CHATML, TOOLS, "", "plain"], ids=["ChatML", "helpers", "empty", "no Jinja"])
def test_a_template_as_models_have_it_passes_and_runs_in_the_image(source: str) -> None:
    assert JinjaTemplates().problems(source) == []
    assert isinstance(ChatTemplate(source, {"bos_token": "<s>"}).render(MESSAGES), str)


def test_a_refused_template_has_every_reason_once() -> None:
    problems = JinjaTemplates().problems("{{ x.__class__ }}{{ y.__class__ }}{{ 2 ** 3 }}{{ z | evil }}{{ z is odder }}")

    assert sorted(problem.split()[0] for problem in problems) == ["raises", "reaches", "uses", "uses"]


@pytest.mark.parametrize(
    ("source", "refused"),
    [
        (f"{{{{ {MAX_NUMBER} }}}}", False),
        (f"{{{{ {MAX_NUMBER + 1} }}}}", True),
        ("{{ 'ab' * 1000 }}", False),
        ("{{ 'ab' * 1001 }}", True),
        ("{{ 'ab' * 40 * 40 }}", True),
        ("{{ 40 * 40 }}", False),
        ("{{ (1, 2) * 1001 }}", True),
    ],
)
def test_bounds_are_where_they_are_said_to_be(source: str, refused: bool) -> None:  # noqa: FBT001 - a case
    assert bool(JinjaTemplates().problems(source)) == refused


def test_the_place_of_a_mistake_is_its_line() -> None:
    (problem,) = JinjaTemplates().problems("one\ntwo {% if %}")

    assert problem.startswith("is no Jinja, line 2")
