"""Chat templates, parsed by Jinja and never run: not even compiled, because the compiler computes constants."""

from collections.abc import Iterator
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_NUMBER = 1_000_000
MAX_REPEATS = 1000

# What the image adds to Jinja's own (https://huggingface.co/docs/transformers/chat_templating_writing).
_FILTERS = frozenset({"tojson"})


class JinjaTemplates:
    def __init__(self) -> None:
        self._environment = ImmutableSandboxedEnvironment(extensions=[_Generation, loopcontrols])
        self._filters = _FILTERS | self._environment.filters.keys()

    def problems(self, source: str) -> list[str]:
        try:
            tree = self._environment.parse(source)
            return list(dict.fromkeys(problem for node in _walk(tree) for problem in self._judge(node)))
        except jinja2.TemplateSyntaxError as error:
            return [f"is no Jinja, line {error.lineno}: {str(error.message)[:200]}; mend it"]
        except (RecursionError, ValueError):
            return ["nests deeper or counts higher than a chat template can; mend it"]

    def _judge(self, node: nodes.Node) -> Iterator[str]:
        match node:
            case nodes.Filter(name=name) if name not in self._filters:
                yield f"uses the filter {name!r}, which the image does not have; rewrite it"
            case nodes.Test(name=name) if name not in self._environment.tests:
                yield f"uses the test {name!r}, which the image does not have; rewrite it"
            case nodes.Getattr(attr=name) | nodes.Getitem(arg=nodes.Const(value=str(name))) if name.startswith("_"):
                yield f"reaches for {name!r}, an inside that no chat template needs; rewrite it"
            case nodes.Filter(name="attr" | "map" | "format"):
                yield from _hidden(node)
            case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
                yield "loads another template, and the image has none; put everything into one"
            case nodes.Pow():
                yield "raises to a power, which may take all memory; rewrite it"
            case nodes.Mul() if _repeats(node):
                yield f"repeats a text more than {MAX_REPEATS} times; rewrite it"
            case nodes.Const(value=int(value)) if abs(value) > MAX_NUMBER:
                yield f"holds the number {str(value)[:20]}, the limit is {MAX_NUMBER}; rewrite it"


def _walk(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Every node, without recursion."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(node.iter_child_nodes())


def _hidden(node: nodes.Node) -> Iterator[str]:
    """Names of insides that are given to a filter as text."""
    for const in node.find_all(nodes.Const):
        if isinstance(const.value, str) and "__" in const.value:
            yield f"reaches for {const.value[:40]!r}, an inside that no chat template needs; rewrite it"


def _repeats(node: nodes.Mul) -> bool:
    """Whether constants alone make a long text; several factors count together."""
    values: list[Any] = [const.value for const in node.find_all(nodes.Const)]
    factor = 1
    for value in values:
        factor *= value if isinstance(value, int) and value > 0 else 1
    long = any(isinstance(value, str) for value in values) or bool(list(node.find_all((nodes.List, nodes.Tuple))))
    return long and factor > MAX_REPEATS


class _Generation(Extension):
    """`{% generation %}` marks what a model said, for training."""

    tags = {"generation"}  # noqa: RUF012 - the attribute that Jinja reads

    def parse(self, parser: jinja2.parser.Parser) -> list[nodes.Node]:
        next(parser.stream)
        body: list[nodes.Node] = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return body
