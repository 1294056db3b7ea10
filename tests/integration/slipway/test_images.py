"""What `slipway image` asks of buildah, docker and ECR, and which image serves which artifact."""

import base64
import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer

from slipway.images import (
    LABELS,
    Builder,
    ImageRefusedError,
    check_compatible,
    push_locally,
    push_to_ecr,
    tag_of,
)
from tests.builders import stablelm
from tests.contract.release.test_examination import FOUR_BIT, INT8

REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/slipway-inference"
DIGEST = f"sha256:{'a' * 64}"
# "Images that SageMaker takes", https://github.com/aws/amazon-sagemaker-feedback/issues/180.
DOCKER, OCI = "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put programs on an otherwise empty PATH; each keeps its arguments and its stdin, a line for each call."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str, code: int = 0, says: str = "") -> Path:
        calls = tmp_path / f"{name}.calls"
        script = f"#!/bin/sh\nread given\necho \"$@ <$given\" >> {calls}\nprintf %s '{says}'\nexit {code}\n"
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
        return calls

    return install


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "server").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return folder


def test_buildah_is_asked_for_the_one_manifest_that_sagemaker_takes(tools: Callable[..., Path], context: Path) -> None:
    calls = tools("buildah")
    tools("docker")

    Builder().build("slipway-inference:x", context, "mirror/python")

    said = calls.read_text()
    assert said.startswith("build --format docker --platform linux/amd64 ")
    assert "--label io.slipway.architectures=LlamaForCausalLM,StableLmForCausalLM" in said
    assert f"--build-arg BASE_IMAGE=mirror/python --tag slipway-inference:x {context} <" in said


def test_docker_is_asked_for_no_attestation(tools: Callable[..., Path], context: Path) -> None:
    calls = tools("docker")

    Builder().build("slipway-inference:x", context)

    assert calls.read_text().startswith("buildx build --load --provenance=false --sbom=false --platform linux/amd64 ")


def test_a_machine_without_builders_is_told_what_to_install(tools: Callable[..., Path]) -> None:
    with pytest.raises(
        ImageRefusedError, match="buildah and docker not found on the PATH; install one, or add --local"
    ):
        Builder()


def test_a_builders_last_words_are_the_reason(tools: Callable[..., Path], context: Path) -> None:
    tools("buildah", code=125, says="STEP 1\nno such base image\n")

    with pytest.raises(ImageRefusedError, match="buildah build ended with code 125: no such base image"):
        Builder().build("slipway-inference:x", context)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("buildah", {"OCIv1": {"config": {"Labels": LABELS}}}, id="buildah"),
        pytest.param("docker", [{"Config": {"Labels": LABELS}}], id="docker"),
    ],
)
def test_labels_are_read_from_the_built_image(tools: Callable[..., Path], name: str, says: Any) -> None:
    tools(name, says=json.dumps(says))

    assert Builder(name).labels("slipway-inference:x") == LABELS


def ecr(media_type: str) -> Generator[Any, None, None]:
    client = boto3.client("ecr", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    token = base64.b64encode(b"AWS:secret").decode()
    with Stubber(client) as stub:
        stub.add_response("get_authorization_token", {"authorizationData": [{"authorizationToken": token}]})
        stub.add_response(
            "describe_images",
            {"imageDetails": [{"imageDigest": DIGEST, "imageManifestMediaType": media_type}]},
            {"repositoryName": "slipway-inference", "imageIds": [{"imageTag": "release-1"}]},
        )
        yield client


def test_a_push_is_known_by_the_digest_that_ecr_has(tools: Callable[..., Path]) -> None:
    calls = tools("buildah")
    (client,) = [next(stubbed := ecr(DOCKER))]

    pushed = push_to_ecr(Builder(), client, REPOSITORY, "slipway-inference:release-1", "release-1")

    assert (pushed.uri, pushed.digest) == (f"{REPOSITORY}@{DIGEST}", DIGEST)
    login, push = calls.read_text().splitlines()
    assert login == f"login --username AWS --password-stdin {REPOSITORY.partition('/')[0]} <secret"
    assert push.startswith(f"push --format v2s2 slipway-inference:release-1 docker://{REPOSITORY}:release-1")
    stubbed.close()


def test_an_image_that_sagemaker_refuses_is_refused_after_the_push(tools: Callable[..., Path]) -> None:
    tools("docker")
    stubbed = ecr(OCI)

    with pytest.raises(ImageRefusedError, match="which SageMaker refuses; build it with `slipway image build`"):
        push_to_ecr(Builder(), next(stubbed), REPOSITORY, "slipway-inference:release-1", "release-1")
    stubbed.close()


def test_the_local_push_puts_a_real_manifest_into_the_local_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        client = boto3.client(
            "ecr",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        name = f"inference-{tmp_path.name.replace('_', '-')}"
        client.create_repository(repositoryName=name)

        pushed = push_locally(port, tmp_path, f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{name}", "release-1")

        (held,) = client.describe_images(repositoryName=name)["imageDetails"]
    finally:
        server.stop()
    assert (held["imageDigest"], held["imageTags"]) == (pushed.digest, ["release-1"])


def test_a_tag_follows_the_sources_and_nothing_else(context: Path) -> None:
    before = tag_of(context)
    (context / "__pycache__").mkdir()
    (context / "__pycache__" / "x.pyc").write_bytes(b"x")

    assert tag_of(context) == before
    (context / "server" / "app.py").write_text("changed\n")
    assert tag_of(context) != before


@pytest.mark.parametrize(
    ("config", "labels", "sentence"),
    [
        pytest.param({}, {"io.slipway.architectures": "LlamaForCausalLM"}, "StableLmForCausalLM, and", id="family"),
        pytest.param(
            {"quantization_config": FOUR_BIT}, {"io.slipway.quantisations": "none"}, "form nf4, and", id="nf4"
        ),
        pytest.param({"quantization_config": INT8}, {"io.slipway.quantisations": "none"}, "form int8, and", id="int8"),
        pytest.param({"hidden_act": "gelu"}, {}, "the activation 'gelu'", id="a model that no image serves"),
        pytest.param({}, None, "does not say what it serves", id="an image without labels"),
    ],
)
def test_an_image_that_does_not_serve_the_artifact_is_refused(
    tmp_path: Path, config: dict[str, Any], labels: dict[str, str] | None, sentence: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(stablelm.CONFIG | config))

    with pytest.raises(ImageRefusedError, match=sentence):
        check_compatible({} if labels is None else LABELS | labels, tmp_path)


@pytest.mark.parametrize("config", [{}, {"quantization_config": FOUR_BIT}, {"quantization_config": INT8}])
def test_the_image_of_these_sources_serves_every_form(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(stablelm.CONFIG | config))

    assert check_compatible(LABELS, tmp_path).startswith("the image serves StableLmForCausalLM")
