"""The artifact bucket with every version of its objects, for the sweep."""

from typing import TYPE_CHECKING

from release.adapters.aws import translated
from release.domain.keys import SEALS
from release.ports import Listing, SealedObject, Written

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MOST_PAGES = 100
"""Of a thousand versions each (the most that ListObjectVersions gives): a sweep stays within its minutes."""


class S3Uploads:
    def __init__(self, client: "S3Client", *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def endpoints(self) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix="models/", Delimiter="/"
        )
        with translated("listing the endpoints under models/"):
            prefixes = [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", [])]
        return [prefix.split("/")[1] for prefix in prefixes]

    def seals(self, endpoint: str) -> Listing:
        prefix, found = f"models/{endpoint}/", []
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)
        with translated(f"listing {prefix}"):
            for number, page in enumerate(pages, start=1):
                found += [
                    SealedObject(version["Key"], version["VersionId"], version["LastModified"])
                    for version in page.get("Versions", [])
                    if version["IsLatest"] and version["Key"].rpartition("/")[2] in SEALS
                ]
                if number == _MOST_PAGES and page["IsTruncated"]:
                    return Listing(tuple(found), complete=False)
        return Listing(tuple(found), complete=True)

    def written(self, prefix: str) -> list[Written]:
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)
        found = []
        with translated(f"listing every version under {prefix}"):
            for page in pages:
                for version in page.get("Versions", []):
                    path, etag = version["Key"].removeprefix(prefix), version["ETag"]
                    latest = version["IsLatest"]
                    found.append(Written(path, version["VersionId"], version["Size"], etag, latest, deleted=False))
                for marker in page.get("DeleteMarkers", []):
                    path, latest = marker["Key"].removeprefix(prefix), marker["IsLatest"]
                    found.append(Written(path, marker["VersionId"], 0, "", latest, deleted=True))
        return found
