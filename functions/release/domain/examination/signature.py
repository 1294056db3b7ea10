"""What an OpenSSF model signature says, apart from the mathematics of the key.

A signature is a Sigstore bundle: a DSSE envelope around an in-toto statement that lists every file with its SHA-256
(https://github.com/sigstore/model-transparency, "Model Signing Format"; DSSE, https://github.com/secure-systems-lab/dsse,
protocol.md; in-toto Statement v1). Only signatures by a bare key are read; the transparency log is not asked.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from release.domain.examination.listing import SIGNATURE
from release.domain.keys import MANIFEST
from release.domain.strict_json import JsonError, parse_object

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"


class SignatureError(ValueError):
    """The signature proves nothing; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """`signed` is what the key has signed, `signatures` are DER-encoded ECDSA, `digests` maps path → SHA-256 in hex."""

    signed: bytes
    signatures: tuple[bytes, ...]
    digests: Mapping[str, str]


def read_envelope(text: bytes) -> Envelope:
    """Raises SignatureError: it is no such bundle."""
    try:
        match parse_object(text).get("dsseEnvelope"):
            case {"payload": str(payload), "payloadType": str(kind), "signatures": [*signatures]} if (
                kind == PAYLOAD_TYPE
            ):
                body = base64.b64decode(payload, validate=True)
                found = tuple(base64.b64decode(one["sig"], validate=True) for one in signatures)
                return Envelope(_authenticated(kind, body), found, _digests(parse_object(body)))
    except JsonError as error:
        raise SignatureError(f"{SIGNATURE} {error}") from error
    except (binascii.Error, KeyError, TypeError, ValueError) as error:
        if isinstance(error, SignatureError):
            raise
        raise SignatureError(f"{SIGNATURE} is no DSSE envelope ({error}); sign the model again") from error
    raise SignatureError(
        f"{SIGNATURE} holds no DSSE envelope of an in-toto statement; sign with model-signing 1.0 or later"
    )


def _authenticated(kind: str, body: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(body), body)


def _digests(statement: Mapping[str, Any]) -> dict[str, str]:
    if (statement.get("_type"), statement.get("predicateType")) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise SignatureError(f"{SIGNATURE} signs a statement that is not about a model; sign with model-signing")
    match statement.get("predicate"):
        case {"resources": [*resources]} if resources:
            pass
        case _:
            raise SignatureError(f"{SIGNATURE} lists no files; sign the model again")
    found: dict[str, str] = {}
    for resource in resources:
        match resource:
            case {"name": str(name), "algorithm": "sha256", "digest": str(digest)} if name not in found:
                found[name] = digest
            case _:
                raise SignatureError(
                    f"{SIGNATURE} lists files by other digests than SHA-256, once each; sign with sha256"
                )
    return found


def coverage_problems(signed: Mapping[str, str], declared: Mapping[str, str]) -> list[str]:
    """Where the signed files differ from those that the manifest declares (path → SHA-256 in hex).

    The signature cannot sign itself, and the manifest is written after it.
    """
    wanted = {path: digest for path, digest in declared.items() if path != SIGNATURE}
    covered = {path: digest for path, digest in signed.items() if path != MANIFEST}
    return [
        *(
            f"{path} is not signed; sign the model again with every file in it"
            for path in sorted(wanted.keys() - covered)
        ),
        *(f"{path} is signed but not in the artifact; upload it" for path in sorted(covered.keys() - wanted)),
        *(
            f"{path} has SHA-256 {wanted[path]} in {MANIFEST} but was signed with {covered[path][:64]}; sign it again"
            for path in sorted(wanted.keys() & covered)
            if wanted[path] != covered[path]
        ),
    ]
