"""Which permissions a request to S3 needs. S3 names some of them unlike its operations.

Source: "Actions, resources, and condition keys for Amazon S3" in the Service Authorization Reference, and "Required
permissions for Amazon S3 API operations" in the Amazon S3 User Guide.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import unescape

from local.iam import account
from local.iam.conditions import Family
from local.iam.encryption import key_need
from local.iam.keys import Keys
from local.iam.resources import Need
from local.world import ACCOUNT

_DELETED = re.compile(rb"<Object>(.*?)</Object>", re.DOTALL)
_ACTIONS = {"HeadBucket": "ListBucket"}
# Where moto takes a subresource of a bucket for the creation or listing of the bucket itself.
_SUBRESOURCES = {
    "encryption": "EncryptionConfiguration",
    "replication": "ReplicationConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "object-lock": "BucketObjectLockConfiguration",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "requestPayment": "BucketRequestPayment",
    "inventory": "InventoryConfiguration",
    "retention": "ObjectRetention",
    "legal-hold": "ObjectLegalHold",
}
_HEADERS = (
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
    "if-match",
    "if-none-match",
)
_QUERY = {"prefix": "prefix", "delimiter": "delimiter", "max-keys": "max-keys", "versionId": "VersionId"}


@dataclass(frozen=True)
class S3Request:
    action: str
    """The permission without its prefix, as moto names it."""
    bucket: str | None = None
    key: str | None = None
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    """With lower-case names."""
    query: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b""

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.bucket or '*'}{f'/{self.key}' if self.key else ''}"

    def asked(self, name: str) -> str | None:
        """A query parameter; None if it is not there."""
        value = self.query.get(name)
        return None if value is None else str(value[0] if isinstance(value, list) else value)


def s3_needs(request: S3Request) -> list[Need]:
    """Everything that one request needs, in the order in which S3 asks for it."""
    if request.action == "DeleteObject" and request.key is None:
        return [_need(request, action, key) for action, key in _deleted(request.body)]
    return [_need(request, _action(request), request.key), *_of_sources(request), *_of_keys(request)]


def _action(request: S3Request) -> str:
    for name, permission in _SUBRESOURCES.items():
        if name in request.query:
            return f"{'Get' if request.method in {'GET', 'HEAD'} else 'Put'}{permission}"
    if request.action == "GetObject" and "versionId" in request.query:
        return "GetObjectVersion"
    return _ACTIONS.get(request.action, request.action)


def _deleted(body: bytes) -> Iterator[tuple[str, str]]:
    """Permission and key of every object that DeleteObjects lists."""
    for entry in _DELETED.findall(body):
        text = unescape(entry.decode(), {"&quot;": '"', "&apos;": "'"})
        key = re.search(r"<Key>(.*?)</Key>", text, re.DOTALL)
        yield "DeleteObjectVersion" if "<VersionId>" in text else "DeleteObject", key[1] if key else ""


def _need(request: S3Request, action: str, key: str | None) -> Need:
    arn = f"arn:aws:s3:::{request.bucket or '*'}{f'/{key}' if key else ''}"
    return Need(f"s3:{action}", arn, _keys(request, action), _families(request))


def _of_sources(request: S3Request) -> Iterator[Need]:
    """What a copy reads, and what a put does besides."""
    if request.action != "PutObject":
        return
    if source := request.headers.get("x-amz-copy-source"):
        path, _, version = unquote(source).lstrip("/").partition("?versionId=")
        yield Need("s3:GetObjectVersion" if version else "s3:GetObject", f"arn:aws:s3:::{path}")
        yield from _decrypting(*path.partition("/")[::2], version or None)
    if request.headers.get("x-amz-tagging"):
        yield _need(request, "PutObjectTagging", request.key)
    if "x-amz-acl" in request.headers:
        yield _need(request, "PutObjectAcl", request.key)


def _of_keys(request: S3Request) -> Iterator[Need]:
    """The caller needs the key of KMS under which an object lies or shall lie."""
    if request.bucket and request.key and request.action in {"GetObject", "GetObjectVersion"}:
        yield from _decrypting(request.bucket, request.key, request.asked("versionId"))
    if request.action == "PutObject" and (name := _encrypting_key(request)):
        yield from key_need("kms:GenerateDataKey", name, "s3", {"aws:s3:arn": request.arn})
        if "uploadId" in request.query or "uploads" in request.query:
            yield from key_need("kms:Decrypt", name, "s3", {"aws:s3:arn": request.arn})


def _decrypting(bucket: str, key: str, version: str | None) -> Iterator[Need]:
    found = account.stored(bucket, key, version)
    if found is not None and found.encryption == "aws:kms" and found.kms_key_id:
        yield from key_need("kms:Decrypt", found.kms_key_id, "s3", {"aws:s3:arn": f"arn:aws:s3:::{bucket}/{key}"})


def _encrypting_key(request: S3Request) -> str | None:
    """The key that the request names, or else the bucket's."""
    algorithm = request.headers.get("x-amz-server-side-encryption")
    named = request.headers.get("x-amz-server-side-encryption-aws-kms-key-id")
    if algorithm == "aws:kms" and named:
        return named
    bucket = account.bucket(request.bucket or "")
    if (algorithm and algorithm != "aws:kms") or bucket is None or not bucket.encryption:
        return None
    default = bucket.encryption["Rule"]["ApplyServerSideEncryptionByDefault"]
    return default.get("KMSMasterKeyID") if default.get("SSEAlgorithm") == "aws:kms" else None


def _keys(request: S3Request, action: str) -> Keys:
    keys: Keys = {f"s3:{name}": request.headers[name] for name in _HEADERS if name in request.headers}
    keys |= {f"s3:{key}": value for name, key in _QUERY.items() if (value := request.asked(name)) is not None}
    if tags := dict(parse_qsl(request.headers.get("x-amz-tagging", ""))):
        keys |= {f"s3:RequestObjectTag/{name}": value for name, value in tags.items()}
        keys["s3:RequestObjectTagKeys"] = list(tags)
    if action == "PutObject":
        # Starting an upload and sending its parts make no object yet, and take no condition.
        parts = request.query.keys() & {"uploads", "partNumber"}
        keys["s3:ObjectCreationOperation"] = "false" if parts else "true"
    signed = "REST-QUERY-STRING" if "X-Amz-Signature" in request.query else "REST-HEADER"
    return keys | {"s3:authType": signed, "s3:signatureversion": "AWS4-HMAC-SHA256", "s3:ResourceAccount": ACCOUNT}


def _families(request: S3Request) -> dict[str, Family]:
    def existing() -> dict[str, str]:
        found = account.stored(request.bucket or "", request.key or "", request.asked("versionId"))
        return {} if found is None else account.object_tags(found)

    return {"s3:ExistingObjectTag": existing}
