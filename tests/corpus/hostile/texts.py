"""Documents, tokenizers and templates that bring code along or break the server."""

import json

from tests.builders.artifacts import CONFIG
from tests.corpus.hostile.case import (
    Hostile,
    drop,
    with_config,
    with_template,
    with_tokenizer,
    with_tokenizer_config,
)

_SOUND = json.dumps(CONFIG).encode()


def _config(text: bytes) -> dict[str, bytes]:
    return drop(**{"config.json": text})


DOCUMENTS = (
    Hostile(
        "code from the artifact", "config.json sets 'auto_map'", with_config(auto_map={"AutoModel": "modeling.Evil"})
    ),
    Hostile(
        "code from a hub",
        "config.json sets 'auto_map'",
        with_config(auto_map={"AutoModel": "evil/repo--modeling.Evil"}),
    ),
    Hostile(
        "a kernel from a hub (CVE-2026-4372)",
        "sets '_attn_implementation_internal'",
        with_config(_attn_implementation_internal="evil/kernel"),
    ),
    Hostile(
        "a kernel by the public name",
        "'attn_implementation' to 'evil/kernel', which a library would fetch",
        with_config(attn_implementation="evil/kernel"),
    ),
    Hostile(
        "a private name of the library",
        "sets '_experimental_loader', a private name",
        with_config(_experimental_loader="x"),
    ),
    Hostile("trust in remote code", "config.json sets 'trust_remote_code'", with_config(trust_remote_code=True)),
    Hostile(
        "a pipeline of its own",
        "config.json sets 'custom_pipelines'",
        with_config(custom_pipelines={"x": {"impl": "evil.P"}}),
    ),
    Hostile(
        "auto_map deep inside",
        "config.json sets 'auto_map'",
        with_config(text_config=[{"inner": {"auto_map": {"A": "b.C"}}}]),
    ),
    Hostile(
        "a tokenizer's code",
        "tokenizer_config.json sets 'auto_map'",
        with_tokenizer_config(auto_map={"AutoTokenizer": ["evil.T", None]}),
    ),
    Hostile(
        "a tokenizer's file elsewhere",
        "sets 'tokenizer_file' to '/etc/passwd'",
        with_tokenizer_config(tokenizer_file="/etc/passwd"),
    ),
    Hostile(
        "a tokenizer's file on the way up",
        "sets 'vocab_file' to '../../secret'",
        with_tokenizer_config(vocab_file="../../secret"),
    ),
    Hostile(
        "a generation of its own",
        "generation_config.json sets 'custom_generate'",
        drop(**{"generation_config.json": b'{"custom_generate": "evil/repo"}'}),
    ),
    Hostile(
        "an adapter's code in a folder",
        "adapter/adapter_config.json sets 'auto_map'",
        drop(**{"adapter/adapter_config.json": b'{"auto_map": {"a": "b"}}'}),
    ),
    Hostile(
        "a key that stands twice",
        "config.json sets 'auto_map' twice",
        _config(_SOUND[:-1] + b', "auto_map": {"A": "evil.B"}, "auto_map": null}'),
    ),
    Hostile("a config in UTF-16", "config.json is not valid JSON", _config(_SOUND.decode().encode("utf-16"))),
    Hostile("a config with a byte order mark", "config.json is not valid JSON", _config(b"\xef\xbb\xbf" + _SOUND)),
    Hostile("a config that nests without end", "config.json is not valid JSON", _config(b"[" * 100_000)),
    Hostile("a number that is none", "config.json holds the number NaN", _config(_SOUND[:-1] + b', "x": NaN}')),
    Hostile(
        "a number of ten thousand digits",
        "config.json is not valid JSON",
        _config(_SOUND[:-1] + b', "x": ' + b"9" * 10_000 + b"}"),
    ),
    Hostile("a list for a config", "config.json is not a JSON object", _config(b"[]")),
    Hostile("an endless config", "config.json has 16000001 bytes, the limit is 16000000", _config(b" " * 16_000_001)),
    Hostile(
        "an architecture that nobody serves",
        "names the architecture 'EvilForCausalLM'; the image serves LlamaForCausalLM",
        with_config(architectures=["EvilForCausalLM"]),
    ),
    Hostile("no architecture", "names the architecture None", with_config(architectures=None)),
    Hostile(
        "an architecture and another model's type",
        "names model_type 'stablelm', but LlamaForCausalLM is a 'llama'",
        with_config(model_type="stablelm"),
    ),
    Hostile(
        "a billion layers",
        "sets 'num_hidden_layers' to 1000000000; it must be a whole number, 1 to 1000",
        with_config(num_hidden_layers=10**9),
    ),
    Hostile("no heads", "sets 'num_attention_heads' to 0", with_config(num_attention_heads=0)),
    Hostile("a size that is text", "sets 'hidden_size' to 8; it must be a whole number", with_config(hidden_size="8")),
    Hostile("no size of the vocabulary", "config.json names no 'vocab_size'", with_config(vocab_size=None)),
    Hostile(
        "heads that cannot share", "2 heads that cannot share 3 keys and values", with_config(num_key_value_heads=3)
    ),
    Hostile(
        "rotary embeddings that the image does not know",
        "rotary embeddings of type 'yarn'",
        with_config(rope_scaling={"rope_type": "yarn"}),
    ),
    Hostile(
        "an activation that the image does not know", "asks for the activation 'gelu'", with_config(hidden_act="gelu")
    ),
    Hostile(
        "quantisation that the image does not know",
        "asks for 'gptq' quantisation",
        with_config(quantization_config={"quant_method": "gptq"}),
    ),
)

TOKENIZERS = (
    Hostile(
        "a token without a row in the embedding",
        "tokenizer.json has a token with id 4, but the model's embedding has 4 rows",
        with_tokenizer(added_tokens=[{"id": 4}]),
    ),
    Hostile("a tokenizer without tokens", "tokenizer.json has no 'model' with a 'vocab'", with_tokenizer(model={})),
    Hostile(
        "a token with a negative id", "whose id is no whole number from 0", with_tokenizer(model={"vocab": {"a": -1}})
    ),
    Hostile(
        "a tokenizer that is no JSON", "tokenizer.json is not valid JSON", drop(**{"tokenizer.json": b"\x80\x04."})
    ),
    Hostile(
        "a tokenizer that fills the memory",
        "tokenizer.json holds more than 1000000 JSON objects",
        drop(**{"tokenizer.json": b"[" + b"[]," * 10**6 + b"[]]"}),
    ),
    Hostile(
        "no tokenizer",
        "tokenizer.json is missing",
        {path: body for path, body in drop().items() if path != "tokenizer.json"},
    ),
)

_INSIDES = "''.__class__.__mro__[1].__subclasses__()"

TEMPLATES = (
    Hostile(
        "no chat template",
        "chat_template.jinja is missing",
        {path: body for path, body in drop().items() if path != "chat_template.jinja"},
    ),
    Hostile(
        "half a template", "chat_template.jinja is no Jinja, line 1", with_template("{% for message in messages %}")
    ),
    Hostile(
        "a template that climbs to Python",
        "chat_template.jinja reaches for '__class__'",
        with_template("{{ " + _INSIDES + " }}"),
    ),
    Hostile("the same by an index", "reaches for '__class__'", with_template("{{ ''['__class__'] }}")),
    Hostile("the same by a filter", "reaches for '__class__'", with_template("{{ '' | attr('__class__') }}")),
    Hostile(
        "the same through map",
        "reaches for '__class__'",
        with_template("{{ messages | map(attribute='__class__') | list }}"),
    ),
    Hostile("a constant that takes all memory", "raises to a power", with_template("{{ 10 ** 10 ** 10 }}")),
    Hostile(
        "a text that takes all memory",
        "repeats a text more than 1000 times",
        with_template("{{ 'a' * 9999 * 9999 * 9999 }}"),
    ),
    Hostile("a list that takes all memory", "repeats a text more than 1000 times", with_template("{{ [0] * 999999 }}")),
    Hostile(
        "a loop without end",
        "holds the number 99999999999",
        with_template("{% for i in range(99999999999) %}{% endfor %}"),
    ),
    Hostile("a template that loads another", "loads another template", with_template("{% include '/etc/passwd' %}")),
    Hostile("a filter that the image does not have", "uses the filter 'evil'", with_template("{{ messages | evil }}")),
    Hostile(
        "a template that nests without end", "nests deeper", with_template("{{ " + "(" * 20_000 + ")" * 20_000 + " }}")
    ),
    Hostile(
        "a number of ten thousand digits in a template",
        "nests deeper or counts higher",
        with_template("{{ " + "9" * 10_000 + " }}"),
    ),
    Hostile(
        "a template that is no text",
        "chat_template.jinja is not UTF-8 text",
        drop(**{"chat_template.jinja": b"\xff\xfe"}),
    ),
    Hostile(
        "an endless template",
        "chat_template.jinja has 200001 bytes, the limit is 200000",
        drop(**{"chat_template.jinja": b"a" * 200_001}),
    ),
    Hostile(
        "a bad template inside the tokenizer's config",
        "tokenizer_config.json chat_template reaches for '__globals__'",
        with_tokenizer_config(chat_template="{{ x.__globals__ }}"),
    ),
    Hostile(
        "a bad one among the named templates",
        "tokenizer_config.json chat_template tool reaches for '_x'",
        with_tokenizer_config(
            chat_template=[{"name": "default", "template": ""}, {"name": "tool", "template": "{{ x._x }}"}]
        ),
    ),
    Hostile(
        "a template of no known form",
        "neither text nor a list of named texts",
        with_tokenizer_config(chat_template={"default": 1}),
    ),
)
