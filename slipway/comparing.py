"""What differs between two releases: artifact, image, config and price."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from release.domain.keys import MANIFEST, published_prefix
from release.domain.price import PriceList
from slipway.aws import Aws
from slipway.aws_errors import error_code, translated
from slipway.money import Bill, bill_of_config
from slipway.records import Release

_MISSING = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True)
class Change:
    """`before` and `after` are None where that release does not have it."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class ReleaseDiff:
    """Empty changes: the two agree there. `files` is None where one of the artifacts is not published (any more)."""

    endpoint: str
    before: str
    after: str
    artifact: tuple[Change, ...]
    files: tuple[Change, ...] | None
    image: tuple[Change, ...]
    config: tuple[Change, ...]
    price_before: Bill
    price_after: Bill
    hour_dollars_more: Decimal | None
    """Of a first release's fleet; below zero: `after` costs less. None where one has no price."""

    @property
    def same(self) -> bool:
        return not (self.artifact or self.image or self.config)


def published_manifest(aws: Aws, artifact_id: str) -> dict[str, Any] | None:
    """The manifest beside the published files; None when there is none."""
    key = published_prefix(artifact_id) + MANIFEST
    with translated():
        try:
            body = aws.s3.get_object(Bucket=aws.output("ArtifactBucketName"), Key=key)["Body"].read()
        except ClientError as error:
            if error_code(error) in _MISSING:
                return None
            raise
    manifest: dict[str, Any] = json.loads(body)
    return manifest


def compare(
    before: Release,
    after: Release,
    manifests: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None],
    prices: PriceList,
) -> ReleaseDiff:
    """Args: manifests: the published ones of both, in the same order."""
    first, second = bill_of_config(before.config, prices), bill_of_config(after.config, prices)
    known = first.hour_dollars is not None and second.hour_dollars is not None
    return ReleaseDiff(
        endpoint=after.endpoint,
        before=before.release_id,
        after=after.release_id,
        artifact=changes({"id": before.artifact_id}, {"id": after.artifact_id}),
        files=_files(manifests),
        image=changes({"image": before.image}, {"image": after.image}),
        config=changes(_flat(before.config), _flat(after.config)),
        price_before=first,
        price_after=second,
        hour_dollars_more=(second.hour_dollars or 0) - (first.hour_dollars or Decimal(0)) if known else None,
    )


def _files(manifests: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]) -> tuple[Change, ...] | None:
    if manifests[0] is None or manifests[1] is None:
        return None
    before, after = ({file["path"]: file for file in manifest["files"]} for manifest in manifests if manifest)
    return changes(
        {path: file["sha256"] for path, file in before.items()}, {path: file["sha256"] for path, file in after.items()}
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    names = sorted(before.keys() | after.keys())
    return tuple(
        Change(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    )


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """The environment's variables as settings of their own."""
    flat = {name: value for name, value in config.items() if name != "environment"}
    return flat | {f"environment.{name}": value for name, value in config.get("environment", {}).items()}
