"""An OpenSSF model signature over every file of an artifact, by a key in a PEM file or in AWS KMS.

The signature is a Sigstore bundle: a DSSE envelope around an in-toto statement with the SHA-256 of each file, as
model-signing 1.1 writes and verifies it (https://github.com/sigstore/model-transparency) and as the examination reads
it (`release.domain.examination.signature`).
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from release.domain.examination.listing import SIGNATURE
from release.domain.examination.signature import PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE
from release.domain.keys import MANIFEST
from slipway.packaging.errors import PackageRefusedError, SignerFailedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

KMS = "kms:"
_BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
# What model-signing passes over when it verifies the folder: the signature itself, and what is written after it.
_IGNORED = (".git", ".gitattributes", ".github", ".gitignore", MANIFEST, SIGNATURE)
_CURVES = (256, 384, 521)


class Signer(Protocol):
    def public_key_pem(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes:
        """DER-encoded ECDSA with the hash that Sigstore pairs with the key's curve."""


class KeyFile:
    """A private key on P-256, P-384 or P-521 in a PEM file without a password.

    Signatures are deterministic (RFC 6979), so that signing the same files again changes no byte of the artifact.

    Raises:
        PackageRefusedError: no such file, or no such key in it.
    """

    def __init__(self, path: Path) -> None:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - 60 ms that help does not need
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey  # noqa: PLC0415 - the same

        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise PackageRefusedError(f"the key {path} cannot be read ({error.strerror}); mend the path") from error
        except (ValueError, TypeError) as error:
            raise PackageRefusedError(
                f"{path} holds no PEM private key without a password; "
                "make one with `openssl ecparam -name prime256v1 -genkey -noout`"
            ) from error
        if not isinstance(key, EllipticCurvePrivateKey) or key.curve.key_size not in _CURVES:
            raise PackageRefusedError(
                f"{path} holds no key on P-256, P-384 or P-521, which endpoints verify; "
                "make one with `openssl ecparam -name prime256v1 -genkey -noout`"
            )
        self._key: EllipticCurvePrivateKey = key

    def public_key_pem(self) -> bytes:
        return _pem(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415 - see above

        return self._key.sign(message, ECDSA(_hash_of(self._key.curve.key_size), deterministic_signing=True))


class KmsKey:
    """An asymmetric key of AWS KMS for SIGN_VERIFY (ECC_NIST_P256, P384 or P521).

    KMS draws a new random number for each signature, so an artifact that is signed again gets another id.
    """

    def __init__(self, client: Any, key_id: str) -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey  # noqa: PLC0415 - see KeyFile
        from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415 - the same

        from slipway.aws_errors import translated  # noqa: PLC0415 - botocore takes half a second to load

        self._client, self._key_id, self._translated = client, key_id, translated
        with translated():
            key = load_der_public_key(client.get_public_key(KeyId=key_id)["PublicKey"])
        if not isinstance(key, EllipticCurvePublicKey) or key.curve.key_size not in _CURVES:
            raise PackageRefusedError(f"the KMS key {key_id} is no ECC_NIST_P256, P384 or P521 key; make one that is")
        self._public: EllipticCurvePublicKey = key

    def public_key_pem(self) -> bytes:
        return _pem(self._public)

    def sign(self, message: bytes) -> bytes:
        """Raises SignerFailedError: the answer is no signature of this key over this message."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see KeyFile
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415 - the same

        algorithm = _hash_of(self._public.curve.key_size)
        whole = len(message) <= _KMS_MESSAGE_BYTES
        with self._translated():
            made: bytes = self._client.sign(
                KeyId=self._key_id,
                Message=message if whole else hashlib.new(algorithm.name, message).digest(),
                MessageType="RAW" if whole else "DIGEST",
                SigningAlgorithm=_KMS_ALGORITHMS[algorithm.name],
            )["Signature"]
        try:
            self._public.verify(made, message, ECDSA(algorithm))
        except InvalidSignature as error:
            raise SignerFailedError(
                f"what the KMS key {self._key_id} signed is not what it was asked to sign; sign with a key in a file"
            ) from error
        return made


# The longest message that KMS hashes itself (AWS KMS API Reference, Sign).
_KMS_MESSAGE_BYTES = 4096
_KMS_ALGORITHMS = {"sha256": "ECDSA_SHA_256", "sha384": "ECDSA_SHA_384", "sha512": "ECDSA_SHA_512"}


def signer_of(key: str) -> Signer:
    """Args: key: the path of a PEM file, or `kms:` and a key's id, ARN or `alias/…`."""
    if not key.startswith(KMS):
        return KeyFile(Path(key))
    import boto3  # noqa: PLC0415 - half a second that a key in a file does not need

    from slipway.aws_errors import translated  # noqa: PLC0415 - the same

    with translated():
        client = boto3.Session().client("kms")
    return KmsKey(client, key.removeprefix(KMS))


def signature(signer: Signer, name: str, digests: Mapping[str, str]) -> bytes:
    """The bundle's JSON.

    Args:
        name: of the model.
        digests: path → SHA-256 in hex of every file but the manifest and the signature itself.
    """
    body = json.dumps(_statement(name, digests), indent=2).encode()
    kind = PAYLOAD_TYPE.encode()
    made = signer.sign(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body))
    if not made:
        raise SignerFailedError("the key gave an empty signature; try another key")
    hint = hashlib.sha256(signer.public_key_pem()).hexdigest()
    bundle = {
        "mediaType": _BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(body).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(made).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle).encode()


def _statement(name: str, digests: Mapping[str, str]) -> dict[str, Any]:
    """The subject's digest covers the files' digests, in the order of their paths."""
    ordered = sorted(digests.items())
    whole = hashlib.sha256(b"".join(bytes.fromhex(digest) for _, digest in ordered)).hexdigest()
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": whole}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "allow_symlinks": False,
                "hash_type": "sha256",
                "method": "files",
                "ignore_paths": list(_IGNORED),
            },
            "resources": [{"digest": digest, "algorithm": "sha256", "name": path} for path, digest in ordered],
        },
    }


def _hash_of(bits: int) -> "HashAlgorithm":
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - see KeyFile

    sizes: dict[int, HashAlgorithm] = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
    return sizes[bits]


def _pem(key: "EllipticCurvePublicKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - see KeyFile

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
