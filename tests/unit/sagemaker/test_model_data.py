"""Which objects become which files, and which containers' data are no data."""

import io
import itertools
import os
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from botocore.response import StreamingBody

from local.sagemaker.errors import AwsError
from local.sagemaker.fleets.model_data import (
    CHUNK_BYTES,
    Layout,
    ModelData,
    ModelDataError,
    fetch,
    model_data_of,
    relative_paths,
)


def s3(uri: str, kind: str, compression: str, **more: str) -> dict[str, Any]:
    source = {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression, **more}
    return {"ModelDataSource": {"S3DataSource": source}}


def test_keys_become_paths_below_the_prefix() -> None:
    assert relative_paths("m/", ["m/a", "m/b/c"]) == {"m/a": PurePosixPath("a"), "m/b/c": PurePosixPath("b/c")}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        pytest.param(["m/sub/"], "empty", id="a folder marker of the console"),
        pytest.param(["m/../a"], "segment", id="a way out of the folder"),
        pytest.param(["m/./a"], "segment", id="a dot"),
        pytest.param(["m//a"], "segment", id="two slashes"),
        pytest.param(["m/" + "n" * 256], "256 bytes; the limit is 255", id="a name of 256 bytes"),
        pytest.param(["m/a", "m/a/b"], "which is a file", id="a file where a folder must be"),
    ],
)
def test_a_key_that_cannot_be_a_file_is_refused(keys: list[str], message: str) -> None:
    with pytest.raises(ModelDataError, match=message):
        relative_paths("m/", keys)


def test_a_name_of_255_bytes_is_a_name() -> None:
    assert relative_paths("m/", ["m/" + "n" * 255])


@pytest.mark.parametrize(
    ("container", "layout"),
    [
        pytest.param({"ModelDataUrl": "s3://b/m.tar.gz"}, Layout.ARCHIVE, id="a URL is an archive"),
        pytest.param(s3("s3://b/m/", "S3Prefix", "None"), Layout.PREFIX, id="a prefix"),
        pytest.param(s3("s3://b/m.bin", "S3Object", "None"), Layout.OBJECT, id="one object"),
        pytest.param(s3("s3://b/m.tar.gz", "S3Object", "Gzip"), Layout.ARCHIVE, id="one archive"),
    ],
)
def test_each_form_has_its_layout(container: dict[str, Any], layout: Layout) -> None:
    data = model_data_of(container)

    assert data is not None
    assert data.layout is layout


@pytest.mark.parametrize(
    ("container", "message"),
    [
        pytest.param(s3("s3://b/m", "S3Prefix", "None"), "must end with '/'", id="a prefix without its slash"),
        pytest.param(s3("https://b/m/", "S3Prefix", "None"), "does not emulate", id="not S3"),
        pytest.param(s3("s3://b/m/", "S3Prefix", "Gzip"), "does not emulate", id="a compressed prefix"),
        pytest.param(s3("s3://b/m/", "S3Prefix", "None", ETag="x"), "does not emulate S3DataSource.ETag", id="an ETag"),
        pytest.param(
            s3("s3://b/m/", "S3Prefix", "None") | {"ModelDataUrl": "s3://b/m.tar.gz"}, "Only one of", id="two sources"
        ),
    ],
)
def test_a_source_that_cannot_be_meant_is_refused(container: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        model_data_of(container)


def test_a_model_may_have_no_data() -> None:
    assert model_data_of({"Image": "x"}) is None


class Bucket:
    """One object of S3, in one piece."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def get_object(self, **_: str) -> dict[str, StreamingBody]:
        return {"Body": StreamingBody(io.BytesIO(self._content), len(self._content))}


class OutOfTimeError(Exception):
    pass


@pytest.mark.parametrize("layout", [Layout.OBJECT, Layout.ARCHIVE])
def test_a_transfer_that_is_given_up_ends_in_the_middle(layout: Layout, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("big")
        member.size = 4 * CHUNK_BYTES
        archive.addfile(member, io.BytesIO(os.urandom(member.size)))
    asked = itertools.count(1)

    def check() -> None:
        if next(asked) == 3:
            raise OutOfTimeError

    with pytest.raises(OutOfTimeError):
        fetch(Bucket(packed.getvalue()), ModelData("s3://b/big", layout), tmp_path / "model", check)

    assert next(asked) == 4, "nothing was read after the check had said no"
