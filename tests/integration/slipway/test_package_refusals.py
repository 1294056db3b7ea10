"""What `slipway package` says of a model that cannot be an artifact: one sentence, the right exit code, no output."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from slipway.errors import SlipwayError
from slipway.packaging.errors import PackageRefusedError
from slipway.packaging.package import Packaged, PackageRequest, package
from tests.integration.slipway.tiny_gguf import write_tiny_gguf


def made(source: Path, output: Path, **wishes: Any) -> Packaged:
    return package(PackageRequest(str(source), output, **wishes))


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_bytes())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return change


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _cut(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-100])


def _lacking(folder: Path) -> None:
    held = load_file(folder / "model.safetensors")
    del held["model.norm.weight"]
    save_file(held, folder / "model.safetensors")


def _write(name: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(text)

    return write


def _index(text: str) -> Callable[[Path], None]:
    return _write("model.safetensors.index.json", text)


Bad = tuple[Callable[[Path], None], dict[str, Any], str]

BAD: list[Any] = [
    pytest.param((_without("config.json"), {}, "config.json is missing in tiny"), id="no config"),
    pytest.param((_write("config.json", "{"), {}, "config.json "), id="a config that is no JSON"),
    pytest.param(
        (_without("tokenizer.json"), {}, "tokenizer.json is missing in tiny; save the tokenizer"), id="no tokenizer"
    ),
    pytest.param((_without("model.safetensors"), {}, "model.safetensors is missing in tiny"), id="no weights"),
    pytest.param((_pickled, {}, "holds pytorch_model.bin and no safetensors"), id="a pickle"),
    pytest.param((_cut, {}, "model.safetensors has"), id="half a download"),
    pytest.param((_lacking, {}, "the weights lack 'model.norm.weight'"), id="a tensor short"),
    pytest.param((_index("{}"), {}, "has no 'weight_map'"), id="an empty index"),
    pytest.param(
        (_index('{"weight_map": {"a": "b.safetensors"}}'), {}, "b.safetensors is missing"), id="a shard short"
    ),
    pytest.param((_index('{"weight_map": {"a": "../x"}}'), {}, "../x is missing"), id="a shard outside"),
    pytest.param((_config(architectures=["GPT2LMHeadModel"]), {}, "architecture 'GPT2LMHeadModel'"), id="GPT-2"),
    pytest.param((_config(hidden_act="gelu"), {}, "the activation 'gelu'"), id="gelu"),
    pytest.param((_config(hidden_size=64), {}, "in the weights"), id="another model's config"),
    pytest.param((_config(rope_scaling={"rope_type": "yarn"}), {}, "of type 'yarn'"), id="YaRN"),
    pytest.param((_config(quantization_config={"quant_method": "gptq"}), {}, "'gptq' quantisation"), id="GPTQ"),
    pytest.param((_without("chat_template.jinja"), {}, "choose one with --chat-template plain"), id="a base model"),
    pytest.param(
        (_pickled, {"revision": "a" * 40}, "--revision names a commit of the hub"), id="a revision of a folder"
    ),
    pytest.param((_write("bad.jinja", "{% if %}"), {"chat_template": "bad.jinja"}, "is no Jinja"), id="bad Jinja"),
    pytest.param((_write("bad.jinja", ""), {"chat_template": "bad.jinja"}, "has 0 bytes"), id="an empty template"),
    pytest.param((_write("x", ""), {"chat_template": "none.jinja"}, "cannot be read"), id="no such template"),
    pytest.param((_write("gold", "{}\n7\n"), {"golden": Path("gold")}, "line 2 of"), id="bad golden prompts"),
    pytest.param((_write("x", ""), {"golden": Path("none")}, "cannot be read"), id="no such golden prompts"),
    pytest.param((_write("x", ""), {"sign": "none.pem"}, "the key none.pem cannot be read"), id="no such key"),
    pytest.param((_write("key", "?"), {"sign": "key"}, "holds no PEM private key"), id="no key in the file"),
    pytest.param((_write("tokenizer.json", '{"model": 1}'), {}, "the examination would refuse"), id="no vocabulary"),
]


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_an_artifact_is_one_sentence_and_leaves_no_output(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Bad
) -> None:
    spoil, wishes, sentence = case
    spoil(model)
    monkeypatch.chdir(model)

    with pytest.raises(SlipwayError) as refused:
        made(model, tmp_path / "artifact", **wishes)

    assert sentence in str(refused.value)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "artifact").exists()


@pytest.mark.parametrize(
    ("wishes", "code", "sentence"),
    [
        pytest.param(
            {"source": "no such folder"}, 2, "does not exist; give a folder, a GGUF file, or a hub id", id="nothing"
        ),
        pytest.param({"source": "owner/model"}, 2, "needs --revision with the 40 hex digits", id="no revision"),
        pytest.param({"source": "owner/model", "revision": "main"}, 2, "a branch or a tag can move", id="a branch"),
        pytest.param({"source": "owner/model", "revision": "a" * 40}, 5, "the hub is out of reach", id="no network"),
    ],
)
def test_a_source_that_is_out_of_reach_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wishes: dict[str, Any], code: int, sentence: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    with pytest.raises(SlipwayError) as refused:
        package(PackageRequest(output=tmp_path / "artifact", **wishes))

    assert sentence in str(refused.value)
    assert (refused.value.exit_code, "\n" in str(refused.value)) == (code, False)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"GGML", "is no GGUF file; give one", id="another format"),
        pytest.param(b"GGUF" + bytes(60), "is a damaged GGUF file", id="a damaged one"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "model.gguf").write_bytes(content)

    with pytest.raises(PackageRefusedError, match=sentence):
        made(tmp_path / "model.gguf", tmp_path / "artifact")


def test_a_gguf_of_another_architecture_is_refused_by_name(tmp_path: Path) -> None:
    source = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="mamba")

    with pytest.raises(PackageRefusedError, match="of the architecture 'mamba'; the image serves llama and stablelm"):
        made(source, tmp_path / "artifact")
