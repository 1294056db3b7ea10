"""KMS: a digest is signed as it is."""

from contextvars import ContextVar
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.kms import utils
from moto.kms.exceptions import ValidationException
from moto.kms.responses import KmsResponse

from local.moto_patches.patching import Patches

_IS_DIGEST = ContextVar("_IS_DIGEST", default=False)


def install(patches: Patches) -> None:
    _skip_the_hashing_of_digests(patches)
    for operation in ("sign", "verify"):
        _heed_the_message_type(patches, operation)


def _heed_the_message_type(patches: Patches, operation: str) -> None:
    """moto reads MessageType and takes every message as RAW."""

    def answer(self: KmsResponse) -> str:
        is_digest = self._get_param("MessageType") == "DIGEST"
        told = _IS_DIGEST.set(is_digest)
        try:
            return str(original(self))
        except ValueError as error:
            if not is_digest:
                raise
            algorithm = self._get_param("SigningAlgorithm")
            raise ValidationException(f"Digest is invalid length for algorithm {algorithm}.") from error
        finally:
            _IS_DIGEST.reset(told)

    original = patches.replace(KmsResponse, operation, answer)


def _skip_the_hashing_of_digests(patches: Patches) -> None:
    """moto's keys hash whatever they sign.

    Source: AWS KMS API Reference, Sign, MessageType: "When the value is DIGEST, KMS skips the hashing step".
    """

    def of_curve(self: utils.ECDSAPrivateKey, algorithm: str) -> Any:
        return _prehashed(curve_hash(self, algorithm))

    def of_rsa(self: utils.RSAPrivateKey, algorithm: str) -> tuple[Any, Any]:
        padding, hashing = rsa_hash(self, algorithm)
        return padding, _prehashed(hashing)

    curve_hash = patches.replace(utils.ECDSAPrivateKey, "_ECDSAPrivateKey__hash_algorithm", of_curve)
    rsa_hash = patches.replace(utils.RSAPrivateKey, "_RSAPrivateKey__padding_and_hash_algorithm", of_rsa)


def _prehashed(hashing: Any) -> Any:
    return Prehashed(hashing) if _IS_DIGEST.get() else hashing
