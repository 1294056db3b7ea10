"""The text side of an artifact: a tokenizer that fits the embedding, and a chat template."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from release.domain.examination.architecture import Architecture
from release.domain.examination.documents import parsed
from release.domain.examination.listing import TEMPLATE, TOKENIZER, TOKENIZER_CONFIG, is_template


def tokenizer_problems(documents: Mapping[str, bytes], model: Architecture | None) -> list[str]:
    """Whether tokenizer.json, if it is there and JSON, is a tokenizer whose every token has a row in the embedding.

    The format is that of the tokenizers library: `model.vocab` maps tokens to ids, or lists them in the order of
    their ids; `added_tokens` have theirs beside them.
    """
    tokenizer = parsed(documents, TOKENIZER)
    if tokenizer is None:
        return []
    ids = list(_ids(tokenizer))
    if not ids:
        return [f"{TOKENIZER} has no 'model' with a 'vocab' of tokens; save the tokenizer again"]
    if not all(type(one) is int and one >= 0 for one in ids):
        return [f"{TOKENIZER} has a token whose id is no whole number from 0; save the tokenizer again"]
    if model and max(ids) >= model.vocabulary:
        rows = f"but the model's embedding has {model.vocabulary} rows; upload the tokenizer that was saved with it"
        return [f"{TOKENIZER} has a token with id {max(ids)}, {rows}"]
    return []


def _ids(tokenizer: Mapping[str, Any]) -> Iterator[Any]:
    model = tokenizer.get("model")
    match model.get("vocab") if isinstance(model, dict) else None:
        case dict(vocabulary):
            yield from vocabulary.values()
        case list(vocabulary):
            yield from range(len(vocabulary))
        case _:
            return
    added = tokenizer.get("added_tokens")
    yield from (one.get("id") for one in (added if isinstance(added, list) else []) if isinstance(one, dict))


def templates(files: Iterable[str], documents: Mapping[str, bytes]) -> tuple[dict[str, str], list[str]]:
    """Where it stands → Jinja source of every chat template, and what is wrong before anybody has parsed one.

    The image takes chat_template.jinja, else `chat_template` of tokenizer_config.json: a text, or a list of named ones
    of which it takes `default` (https://huggingface.co/docs/transformers/chat_templating).
    """
    sources, problems = {}, []
    for path, text in sorted(documents.items()):
        if is_template(path):
            try:
                sources[path] = text.decode("utf-8")
            except UnicodeDecodeError:
                problems.append(f"{path} is not UTF-8 text; save it again")
    config = parsed(documents, TOKENIZER_CONFIG)
    inline = _inline((config or {}).get("chat_template"))
    if inline is None:
        problems.append(
            f"{TOKENIZER_CONFIG} has a chat_template that is neither text nor a list of named texts; mend it"
        )
    there = set(files)
    unread = TOKENIZER_CONFIG in there and config is None
    if not (TEMPLATE in there or unread or problems or {"", "default"} & (inline or {}).keys()):
        problems.append(
            f"{TEMPLATE} is missing, and {TOKENIZER_CONFIG} holds no default chat_template; "
            "add one, or no chat can be answered"
        )
    named = {f"{TOKENIZER_CONFIG} chat_template {name}".rstrip(): text for name, text in (inline or {}).items()}
    return sources | named, problems


def _inline(value: Any) -> dict[str, str] | None:
    """Name → source; the name of a lone template is empty. None: neither form."""
    match value:
        case None | "":
            return {}
        case str():
            return {"": value}
        case list() if all(
            isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("template"), str)
            for one in value
        ):
            return {one["name"]: one["template"] for one in value}
    return None
