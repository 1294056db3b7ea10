"""What this moto's KMS lacks, and what it does with our patch; when the first test turns red, the patch can go."""

import hashlib
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from moto import mock_aws

from local.moto_patches import kms as patches
from local.moto_patches.patching import Patches
from slipway.packaging.signing import KmsKey
from tests.builders.gaps import justifies

MESSAGE = b"what is signed" * 1000  # longer than the 4096 bytes that KMS hashes itself
DIGEST = hashlib.sha256(MESSAGE).digest()


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("kms", region_name="us-east-1")


@pytest.fixture
def patched() -> Iterator[None]:
    ours = Patches()
    patches.install(ours)
    yield
    ours.undo()


def key_of(client: Any, spec: str) -> tuple[str, Any]:
    key_id = client.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    return key_id, load_der_public_key(client.get_public_key(KeyId=key_id)["PublicKey"])


def verify(public: Any, signature: bytes) -> None:
    """Whether it signs the message, by a library that is not moto; raises InvalidSignature if not."""
    if isinstance(public, RSAPublicKey):
        public.verify(signature, MESSAGE, PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(public, EllipticCurvePublicKey)
        public.verify(signature, MESSAGE, ECDSA(hashes.SHA256()))


ALGORITHMS = [("ECC_NIST_P256", "ECDSA_SHA_256"), ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256")]


@justifies(patches._heed_the_message_type, patches._skip_the_hashing_of_digests)
def test_moto_hashes_a_digest_again(client: Any) -> None:
    key_id, public = key_of(client, "ECC_NIST_P256")

    made = client.sign(KeyId=key_id, Message=DIGEST, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")

    with pytest.raises(InvalidSignature):
        verify(public, made["Signature"])


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize(("spec", "algorithm"), ALGORITHMS)
def test_a_digest_is_signed_and_verified_as_it_is(client: Any, spec: str, algorithm: str) -> None:
    key_id, public = key_of(client, spec)
    asked = {"KeyId": key_id, "SigningAlgorithm": algorithm}

    made = client.sign(**asked, Message=DIGEST, MessageType="DIGEST")["Signature"]

    verify(public, made)
    assert client.verify(**asked, Message=DIGEST, MessageType="DIGEST", Signature=made)["SignatureValid"]
    raw = client.sign(**asked, Message=b"short", MessageType="RAW")["Signature"]
    assert client.verify(**asked, Message=b"short", Signature=raw)["SignatureValid"], "RAW is what it was"


@pytest.mark.usefixtures("patched")
def test_what_cannot_be_a_digest_of_the_algorithm_is_refused(client: Any) -> None:
    key_id, _ = key_of(client, "ECC_NIST_P256")

    with pytest.raises(ClientError, match="Digest is invalid length for algorithm ECDSA_SHA_256") as refused:
        client.sign(KeyId=key_id, Message=DIGEST[:-1], MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")

    assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.usefixtures("patched")
def test_an_artifact_of_many_files_is_signed_by_the_embedded_kms(client: Any) -> None:
    key_id, public = key_of(client, "ECC_NIST_P256")

    verify(public, KmsKey(client, key_id).sign(MESSAGE))
