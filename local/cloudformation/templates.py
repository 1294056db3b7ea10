"""A template as it was sent and as it is after its transforms."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

import yaml
from botocore.exceptions import ClientError

from local.cloudformation.errors import ValidationError, refused
from local.world import REGION, World

SAM = "AWS::Serverless-2016-10-31"
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_MAX_BODY_BYTES, _MAX_S3_BYTES = 51_200, 1_048_576
_SECTIONS = frozenset(
    {
        "AWSTemplateFormatVersion", "Conditions", "Description", "Hooks", "Mappings", "Metadata", "Outputs",
        "Parameters", "Resources", "Rules", "Transform",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Template:
    body: str
    """As sent."""
    original: Mapping[str, Any]
    document: Mapping[str, Any]
    """After the transforms."""

    def section(self, name: str) -> Mapping[str, Any]:
        section: Mapping[str, Any] = self.document.get(name) or {}
        return section

    @property
    def transforms(self) -> list[str]:
        return transforms_of(self.original)


def transforms_of(document: Mapping[str, Any]) -> list[str]:
    declared = document.get("Transform") or []
    return [declared] if isinstance(declared, str) else list(declared)


def body_of(world: World, request: Mapping[str, Any]) -> str | None:
    """The request's TemplateBody, or what lies at its TemplateURL; None if it gives neither.

    Raises:
        ValidationError: it gives both, or the template is too large or cannot be read.
    """
    body, url = request.get("TemplateBody"), request.get("TemplateURL")
    if body is not None and url is not None:
        raise ValidationError("You must specify either Template URL or Template Body, not both.")
    if url is not None:
        # Clients write S3's local address into templates, and read out of them only addresses of AWS's form.
        return _from_s3(world, url).replace(f"{world.url}/", f"https://s3.{REGION}.amazonaws.com/")
    if body is not None and len(body.encode()) > _MAX_BODY_BYTES:
        raise ValidationError(
            f"1 validation error detected: the template has {len(body.encode())} bytes and TemplateBody takes "
            f"{_MAX_BODY_BYTES}; put it into S3 and give TemplateURL"
        )
    return body


def _from_s3(world: World, url: str) -> str:
    where = urlparse(url)
    host = where.hostname or ""
    bucket, _, key = where.path.lstrip("/").partition("/")
    if host.endswith(".amazonaws.com") and not host.startswith("s3"):
        bucket, key = host.split(".", 1)[0], where.path.lstrip("/")
    version = parse_qs(where.query).get("versionId")
    asked = {"Bucket": bucket, "Key": unquote(key), **({"VersionId": version[0]} if version else {})}
    try:
        content: bytes = world.client("s3").get_object(**asked)["Body"].read()
    except ClientError as error:
        raise ValidationError(f"S3 error: {error.response['Error']['Message']} ({url})") from error
    if len(content) > _MAX_S3_BYTES:
        raise ValidationError(f"the template at {url} has {len(content)} bytes and may have {_MAX_S3_BYTES}; split it")
    return content.decode()


def parsed(body: str) -> dict[str, Any]:
    """The document of a template in JSON or YAML, short forms of functions written out; values are plain JSON.

    Raises:
        ValidationError: it is neither, or it has a section or a transform that is unknown here.
    """
    reader: Any = importlib.import_module("samtranslator.yaml_helper")  # half a second, for the first template only
    try:
        document = reader.yaml_parse(body)
    except (yaml.YAMLError, ValueError) as error:
        raise ValidationError(f"Template format error: YAML not well-formed. {error}") from error
    if not isinstance(document, dict):
        raise ValidationError("Template format error: unsupported structure.")
    # YAML reads an unquoted 2012-10-17 as a date; CloudFormation takes it for the text that it is.
    plain: dict[str, Any] = json.loads(json.dumps(document, default=str))
    foreign = [name for name in transforms_of(plain) if name != SAM]
    if foreign:
        raise refused(f"transform {foreign[0]}; it runs {SAM} alone")
    unknown = sorted(set(plain) - _SECTIONS - ({"Globals"} if SAM in transforms_of(plain) else set()))
    if unknown:
        raise ValidationError(f"Invalid template property or properties [{', '.join(unknown)}]")
    return plain


def read(body: str, parameters: Mapping[str, Any]) -> Template:
    """The template, its transforms applied.

    Args:
        parameters: values by name, which SAM's transform looks at.

    Raises:
        ValidationError: see `parsed`; or the transform fails.
    """
    original = parsed(body)
    document = original
    if transforms_of(original):
        document = importlib.import_module("local.cloudformation.serverless").transformed(original, parameters)
    return Template(body, original, document)
