"""The keys that an endpoint's artifacts must be signed with: SSM parameter `/<stack>/signers/<endpoint>`."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated
from release.errors import InvalidInputError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

_END = "-----END PUBLIC KEY-----"


class SsmSigners:
    def __init__(self, client: "SSMClient", *, stack: str) -> None:
        self._client = client
        self._stack = stack

    def keys_of(self, endpoint: str) -> str:
        name = f"/{self._stack}/signers/{endpoint}"
        try:
            with translated(f"reading {name}"):
                return self._client.get_parameter(Name=name)["Parameter"]["Value"].strip()
        except ClientError as error:
            if code_of(error) != "ParameterNotFound":
                raise
            return ""

    def verified(self, keys: str, signed: bytes, signature: bytes) -> bool:
        """Hashes by curve as Sigstore does: SHA-256, SHA-384 or SHA-512 for P-256, P-384 or P-521."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 60 ms, where a signature is asked for
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - the same
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - the same

        digests = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
        for pem in (part + _END for part in keys.split(_END) if part.strip()):
            try:
                key = serialization.load_pem_public_key(pem.strip().encode())
            except ValueError as error:
                raise InvalidInputError(
                    f"the signers of the endpoint are no PEM public keys ({error}); mend them"
                ) from error
            if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.key_size not in digests:
                raise InvalidInputError(
                    "a signer of the endpoint is no key on P-256, P-384 or P-521; make one with openssl"
                )
            try:
                key.verify(signature, signed, ec.ECDSA(digests[key.curve.key_size]))
            except InvalidSignature:
                continue
            return True
        return False
