"""The tiny model that packaging is tried on, and an S3 behind real connections."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from local.moto_patches import s3_bodies, s3_objects
from local.moto_patches.patching import Patches
from tests.integration.inference.tiny_model import save_tiny_model

BUCKET = "slipway-artifacts-123456789012"
OUTPUTS: dict[str, Any] = {
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"ArtifactBucketName": {"Value": BUCKET}},
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def model(tiny: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    copy = tmp_path / "tiny"
    shutil.copytree(tiny, copy)
    return copy


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[boto3.Session]:
    """S3 as the embedded AWS has it, which compares checksums as S3 does, behind real connections."""
    patches = Patches()
    (tmp_path / "bodies").mkdir()
    s3_bodies.install(patches, tmp_path / "bodies")
    s3_objects.install(patches)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        session.client("cloudformation").create_stack(StackName="slipway", TemplateBody=json.dumps(OUTPUTS))
        client = session.client("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield session
        urlopen(f"{url}/moto-api/reset", data=b"").close()  # noqa: S310 - http://127.0.0.1, started above
    finally:
        server.stop()
        patches.undo()
