"""Model signatures. Those in `signed/` were made by the package model-signing 1.1.1 over two files:
config.json of `{}` and a line feed, deep/README.md of `read me` and a line feed."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from release.adapters.signers import SsmSigners
from release.contracts.steps import Judged, RolloutStep
from release.domain.examination.signature import SignatureError, coverage_problems, read_envelope
from release.domain.truth import Verdict
from release.errors import InvalidInputError
from tests.builders.artifacts import artifact
from tests.builders.house import House

SIGNED = Path(__file__).with_name("signed")
DIGESTS = {
    "config.json": hashlib.sha256(b"{}\n").hexdigest(),
    "deep/README.md": hashlib.sha256(b"read me\n").hexdigest(),
}


def signature_of(name: str) -> bytes:
    return (SIGNED / f"{name}.model.sig").read_bytes()


def key_of(name: str) -> str:
    return (SIGNED / f"{name}.pub.pem").read_text()


def signers() -> tuple[SsmSigners, Stubber]:
    client = boto3.client("ssm", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    stub = Stubber(client)
    stub.activate()
    return SsmSigners(client, stack="slipway"), stub


@pytest.mark.parametrize("name", ["p256", "p384"])
def test_a_signature_of_the_reference_tool_holds(name: str) -> None:
    envelope = read_envelope(signature_of(name))

    assert envelope.digests == DIGESTS
    assert coverage_problems(envelope.digests, DIGESTS) == []
    assert [signers()[0].verified(key_of(name), envelope.signed, one) for one in envelope.signatures] == [True]


def test_any_of_several_keys_may_have_signed() -> None:
    envelope = read_envelope(signature_of("p384"))

    assert signers()[0].verified(key_of("p256") + key_of("p384"), envelope.signed, envelope.signatures[0])
    assert not signers()[0].verified(key_of("p256"), envelope.signed, envelope.signatures[0])


def test_one_changed_byte_of_what_was_signed_is_noticed() -> None:
    envelope = read_envelope(signature_of("p256"))

    assert not signers()[0].verified(key_of("p256"), envelope.signed[:-1] + b" ", envelope.signatures[0])


@pytest.mark.parametrize("keys", ["nonsense", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_keys_that_are_none_are_an_error_and_never_a_pass(keys: str) -> None:
    with pytest.raises(InvalidInputError, match="no PEM public keys"):
        signers()[0].verified(keys, b"signed", b"signature")


def test_the_keys_of_an_endpoint_are_a_parameter_and_their_absence_asks_for_nothing() -> None:
    adapter, stub = signers()
    stub.add_response("get_parameter", {"Parameter": {"Value": "pem\n"}}, {"Name": "/slipway/signers/chat"})
    stub.add_client_error("get_parameter", "ParameterNotFound")
    stub.add_client_error("get_parameter", "AccessDeniedException", "no right")

    assert [adapter.keys_of("chat"), adapter.keys_of("chat")] == ["pem", ""]
    with pytest.raises(Exception, match="no right"):
        adapter.keys_of("chat")


def bundle(statement: Any = None, **changes: Any) -> bytes:
    envelope = json.loads(signature_of("p256"))["dsseEnvelope"]
    if statement is not None:
        envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    return json.dumps({"dsseEnvelope": envelope | changes}).encode()


def statement(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(base64.b64decode(json.loads(signature_of("p256"))["dsseEnvelope"]["payload"]))
    return whole | changes


def listing(*resources: dict[str, str]) -> dict[str, Any]:
    return statement(predicate={"resources": resources})


@pytest.mark.parametrize(
    ("text", "because"),
    [
        (b"nonsense", "is not valid JSON"),
        (b"{}", "holds no DSSE envelope"),
        (bundle(payloadType="text/plain"), "holds no DSSE envelope"),
        (bundle(payload="*"), "is no DSSE envelope"),
        (bundle(signatures=[{}]), "is no DSSE envelope"),
        (bundle(statement(predicateType="https://slsa.dev/provenance/v1")), "not about a model"),
        (bundle(statement(predicate={"resources": []})), "lists no files"),
        (bundle(listing({"name": "a", "algorithm": "blake2b", "digest": "0"})), "by other digests"),
        (bundle(listing(*[{"name": "a", "algorithm": "sha256", "digest": "0"}] * 2)), "once each"),
    ],
)
def test_a_signature_that_proves_nothing_is_told_from_one_that_does_not_hold(text: bytes, because: str) -> None:
    with pytest.raises(SignatureError, match=because):
        read_envelope(text)


@pytest.mark.parametrize(
    ("signed", "because"),
    [
        ({"config.json": "0"}, "deep/README.md is not signed"),
        (DIGESTS | {"x": "0"}, "x is signed but not in the artifact"),
        (DIGESTS | {"config.json": "0" * 64}, "config.json has SHA-256"),
    ],
)
def test_a_signature_covers_the_artifact_and_nothing_else(signed: dict[str, str], because: str) -> None:
    assert any(problem.startswith(because) for problem in coverage_problems(signed, DIGESTS | {"model.sig": "1"}))


def examined(house: House, files: dict[str, bytes], *, listed: bool = True) -> Judged:
    """An endpoint that trusts key `k`; the fake takes key + text for a signature of the text."""
    house.signers.keys["chat"] = "k"
    house.push()
    entries = [
        {"path": path, "sizeBytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for path, body in files.items()
    ]
    house.artifacts.objects |= {f"models/chat/v1/{path}": body for path, body in files.items()}
    house.artifacts.objects["models/chat/v1/manifest.json"] = json.dumps({"files": entries} if listed else {}).encode()
    rollout = house.seal("models/chat/v1/manifest.json")
    assert rollout is not None
    return house.examining.examine(RolloutStep(endpoint="chat", rollout_id=rollout))


def signed(files: dict[str, bytes], key: bytes = b"k") -> dict[str, bytes]:
    resources = [
        {"name": path, "algorithm": "sha256", "digest": hashlib.sha256(body).hexdigest()}
        for path, body in files.items()
    ]
    payload = json.dumps(statement(predicate={"resources": resources})).encode()
    kind = b"application/vnd.in-toto+json"
    encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    text = bundle(json.loads(payload), signatures=[{"sig": base64.b64encode(key + encoded).decode()}])
    return files | {"model.sig": text}


def test_an_endpoint_that_asks_for_signatures_serves_signed_models() -> None:
    judged = examined(House(), signed(artifact()))

    assert judged.verdict is Verdict.PASSED, judged.reason


@pytest.mark.parametrize(
    ("files", "listed", "because"),
    [
        pytest.param(artifact(), True, "model.sig is missing", id="no signature"),
        pytest.param(signed(artifact()), False, "declares no SHA-256", id="nothing that a signature could cover"),
        pytest.param(signed(artifact(), b"other"), True, "by none of the keys", id="a stranger's signature"),
        pytest.param(signed(artifact()) | {"x.txt": b"x"}, True, "x.txt is not signed", id="a file more"),
        pytest.param(artifact() | {"model.sig": b"{}"}, True, "holds no DSSE envelope", id="a signature that is none"),
    ],
)
def test_it_refuses_all_others(files: dict[str, bytes], listed: bool, because: str) -> None:  # noqa: FBT001 - a case
    judged = examined(House(), files, listed=listed)

    assert judged.verdict is Verdict.FAILED
    assert because in judged.reason
