"""What `slipway package` makes of a model, held against transformers, and what it leaves behind when it cannot."""

import json
import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest
import torch
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto import mock_aws
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, GgufConfig

from engine.model.config import read_config
from engine.model.weights import Weights
from release.adapters.signers import SsmSigners
from release.domain.examination.signature import coverage_problems, read_envelope
from slipway.errors import SlipwayError
from slipway.packaging import papers, tensors, weights
from slipway.packaging.errors import NoSpaceError, PackageRefusedError
from slipway.packaging.package import Packaged, PackageRequest, package
from tests.integration.inference.tiny_model import tiny_stablelm
from tests.integration.slipway.tiny_gguf import write_tiny_gguf


def made(source: Path, output: Path, **wishes: Any) -> Packaged:
    return package(PackageRequest(str(source), output, **wishes))


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return found


def test_nf4_weights_are_byte_for_byte_those_that_transformers_saves(model: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    tiny_stablelm(hidden_size=64, intermediate_size=128).bfloat16().save_pretrained(model)
    make: Any = BitsAndBytesConfig  # it ships no types
    asked = make(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype="bfloat16"
    )
    theirs = AutoModelForCausalLM.from_pretrained(model, quantization_config=asked, dtype=torch.bfloat16)
    theirs.save_pretrained(tmp_path / "theirs")

    made(model, tmp_path / "ours", quantise="nf4")

    expected = load_file(tmp_path / "theirs" / "model.safetensors")
    found = load_file(tmp_path / "ours" / "model.safetensors")
    assert found.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []
    config = json.loads((tmp_path / "ours" / "config.json").read_bytes())["quantization_config"]
    saved = json.loads((tmp_path / "theirs" / "config.json").read_bytes())["quantization_config"]
    assert config == {name: value for name, value in saved.items() if not name.startswith("_")}


def test_what_transformers_has_quantised_is_taken_as_it_is_and_not_quantised_twice(model: Path, tmp_path: Path) -> None:
    made(model, tmp_path / "nf4", quantise="nf4")
    config = json.loads((tmp_path / "nf4" / "config.json").read_bytes())
    config["quantization_config"]["_load_in_4bit"] = True
    (tmp_path / "nf4" / "config.json").write_text(json.dumps(config))

    again = made(tmp_path / "nf4", tmp_path / "again")

    assert "_load_in_4bit" not in (Path(again.folder) / "config.json").read_text()
    with pytest.raises(PackageRefusedError, match="quantised already, as nf4; leave --quantise out"):
        made(tmp_path / "nf4", tmp_path / "never", quantise="int8")


@pytest.mark.parametrize("form", ["none", "nf4", "int8"])
def test_the_same_input_gives_the_same_bytes_also_after_an_interruption(
    model: Path, tmp_path: Path, form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensors, "SHARD_BYTES", 30_000)
    monkeypatch.setattr(tensors.shards_of, "__defaults__", (30_000,))
    whole = made(model, tmp_path / "one", quantise=form)

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(weights if form != "none" else papers, _LAST_STEP[form], stop)
        with pytest.raises(KeyboardInterrupt):
            made(model, tmp_path / "two", quantise=form)
    assert not (tmp_path / "two").exists()
    left = sorted((tmp_path / ".two.partial" / "files").glob("*.safetensors"))
    stamps = [path.stat().st_mtime_ns for path in left]

    again = made(model, tmp_path / "two", quantise=form)

    assert again.artifact_id == whole.artifact_id
    assert (tmp_path / "two" / "manifest.json").read_bytes() == (tmp_path / "one" / "manifest.json").read_bytes()
    assert left, "the interruption came before any shard"
    assert [(tmp_path / "two" / path.name).stat().st_mtime_ns for path in left] == stamps, "a shard was made twice"
    assert not (tmp_path / ".two.partial").exists()


_LAST_STEP = {"none": "examine", "nf4": "write_index", "int8": "write_index"}


def test_an_artifact_that_is_there_is_found_and_another_is_never_overwritten(model: Path, tmp_path: Path) -> None:
    first = made(model, tmp_path / "artifact")

    assert made(model, tmp_path / "artifact").made == "before"
    assert made(model, tmp_path / "artifact").artifact_id == first.artifact_id
    with pytest.raises(PackageRefusedError, match="exists and holds something else"):
        made(model, tmp_path / "artifact", quantise="nf4")
    assert manifest_of(tmp_path / "artifact")["recipe"]["quantisation"] == "none"


def test_int8_weights_load_in_the_engine_as_they_are(model: Path, tmp_path: Path) -> None:
    made(model, tmp_path / "int8", quantise="int8")

    config = read_config(tmp_path / "int8")
    held = Weights(tmp_path / "int8", torch.device("cpu"), "int8")

    assert (config.quantised, config.tied) == ("int8", False)
    assert held.raw("model.layers.0.mlp.up_proj.weight").dtype == torch.int8


def reference(source: Path) -> Any:
    make: Any = GgufConfig  # it ships no types
    return AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.bfloat16, quantization_config=make(dequantize=True)
    )


def test_a_gguf_file_becomes_the_weights_that_transformers_reads_from_it(tmp_path: Path) -> None:
    source = write_tiny_gguf(tmp_path / "tiny.gguf")
    theirs = reference(source).state_dict()

    done = made(source, tmp_path / "artifact")

    found = load_file(tmp_path / "artifact" / "model.safetensors")
    assert [name for name in found if not torch.equal(found[name], theirs[name])] == []
    assert found.keys() == {name for name in theirs if name != "lm_head.weight"}, "the file's head is its embedding"
    assert manifest_of(Path(done.folder))["source"] == "file tiny.gguf"
    assert made(source, tmp_path / "int8", quantise="int8").size_bytes < done.size_bytes


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=["P-256", "P-384"])
def test_a_signature_is_one_that_the_examination_verifies_and_changes_no_id(
    model: Path, tmp_path: Path, curve: ec.EllipticCurve
) -> None:
    key = ec.generate_private_key(curve)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    done = [made(model, tmp_path / name, sign=str(tmp_path / "key.pem")) for name in ("one", "two")]

    envelope = read_envelope((tmp_path / "one" / "model.sig").read_bytes())
    declared = {file["path"]: file["sha256"] for file in manifest_of(tmp_path / "one")["files"]}
    no_client: Any = None
    assert coverage_problems(envelope.digests, declared) == []
    assert SsmSigners(no_client, stack="slipway").verified(public.decode(), envelope.signed, envelope.signatures[0])
    assert done[0].artifact_id == done[1].artifact_id


def test_papers_go_with_the_model(model: Path, tmp_path: Path) -> None:
    (model / "README.md").write_text("---\nlicense: cc-by-sa-4.0\n---\n# A model\n")
    (model / "LICENSE").write_text("terms\n")
    (model / "training.log").write_text("not served\n")
    (model / "modeling_tiny.py").write_text("import os\n")

    made(model, tmp_path / "artifact", name="Tiny")

    folder = tmp_path / "artifact"
    bill = json.loads((folder / "bom.cdx.json").read_bytes())
    subject = bill["metadata"]["component"]
    # CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/: what a bill of a model must say, and where.
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert subject["type"] == "machine-learning-model"
    assert subject["modelCard"]["modelParameters"]["modelArchitecture"] == "LlamaForCausalLM"
    assert {"model.safetensors", "LICENSE"} <= {one["name"] for one in bill["components"]}
    assert manifest_of(folder)["license"] == "cc-by-sa-4.0"
    assert manifest_of(folder)["name"] == "Tiny"
    assert not {"training.log", "modeling_tiny.py"} & {path.name for path in folder.iterdir()}
    assert json.loads((folder / "golden.jsonl").read_text())["expect"]["regex"] == "\\S"


def test_a_base_model_gets_the_template_that_was_chosen(model: Path, tmp_path: Path) -> None:
    (model / "chat_template.jinja").unlink()

    made(model, tmp_path / "artifact", chat_template="plain")

    template = (tmp_path / "artifact" / "chat_template.jinja").read_text()
    assert "message['content']" in template
    assert manifest_of(tmp_path / "artifact")["recipe"]["chatTemplate"] == "plain"


def test_too_little_disk_is_told_before_anything_is_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))

    with pytest.raises(NoSpaceError, match=r"needs 0\.07 GB and 0\.00 GB are free"):
        made(model, tmp_path / "artifact")


def test_a_disk_that_becomes_full_keeps_what_is_finished(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / ".artifact.partial"))

    with monkeypatch.context() as patched:
        patched.setattr(weights, "write_index", full)
        with pytest.raises(NoSpaceError, match="run the same command again"):
            made(model, tmp_path / "artifact", quantise="nf4")

    assert (tmp_path / ".artifact.partial" / "files" / "model.safetensors").is_file()
    assert made(model, tmp_path / "artifact", quantise="nf4").made == "now"


def test_two_runs_never_share_an_output(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def meanwhile(folder: Path) -> None:
        with pytest.raises(PackageRefusedError, match="another run is packaging into") as refused:
            made(model, tmp_path / "artifact")
        told.append(str(refused.value))

    monkeypatch.setattr(papers, "examine", meanwhile)
    made(model, tmp_path / "artifact")

    assert len(told) == 1


def test_a_kms_key_signs_what_the_examination_verifies(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client: Any = boto3.client("kms")
        key_id = client.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        public = serialization.load_der_public_key(client.get_public_key(KeyId=key_id)["PublicKey"])
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

        made(model, tmp_path / "artifact", sign=f"kms:{key_id}")

        with pytest.raises(SlipwayError, match="NotFoundException") as refused:
            made(model, tmp_path / "never", sign="kms:alias/none")
    envelope = read_envelope((tmp_path / "artifact" / "model.sig").read_bytes())
    no_client: Any = None
    assert SsmSigners(no_client, stack="slipway").verified(pem.decode(), envelope.signed, envelope.signatures[0])
    assert refused.value.exit_code == 5
