"""Both Dockerfiles build, and what they build starts.

Not proved here: the default base image, the CUDA build of torch and a GPU, a push to ECR, SageMaker's and Fargate's own
way to start a container.
"""

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.integration.images.containers import Images, missing
from tests.integration.inference.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[3]
LIMIT_S = 120.0
PAGE_USER = "10001"

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(bool(missing()), reason=missing() or "images can be built"),
]


@pytest.fixture(scope="module")
def images() -> Iterator[Images]:
    folder = Path(tempfile.mkdtemp())
    found = Images(folder)
    found.make_stand_in()
    try:
        yield found
    finally:
        found.remove()
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def answer(process: subprocess.Popen[bytes], port: int, path: str, body: bytes | None = None) -> bytes:
    """What the server answers once it does with 200; a process that ended fails at once."""
    until = time.monotonic() + LIMIT_S
    seen = "nothing"
    while time.monotonic() < until:
        assert process.poll() is None, f"the container ended with {process.returncode}; before, {path}: {seen}"
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST" if body else "GET", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            found = response.read()
            if response.status == HTTPStatus.OK:
                return found
            seen = f"{response.status} {found!r}"
        except OSError as error:
            seen = str(error)
        finally:
            connection.close()
        time.sleep(0.2)
    pytest.fail(f"{path} did not answer 200 in {LIMIT_S:.0f} s but {seen}")


def test_the_page_starts_without_root_on_an_image_that_it_cannot_write(images: Images) -> None:
    image = images.build(ROOT / "ui" / "Dockerfile", ROOT)
    port = free_port()
    variables = {"HOST": "127.0.0.1", "PORT": str(port), "AWS_DEFAULT_REGION": "us-east-1"}

    # infra/chat.yaml says the same two things of its task.
    assert image.config["User"] == PAGE_USER
    with image.started(variables, read_only=True) as process:
        health = json.loads(answer(process, port, "/healthz"))
        page = answer(process, port, "/")
        process.terminate()
        code = process.wait(60)

    assert health == {"status": "ok"}
    assert b"<!doctype html>" in page
    assert code in {0, -15}


def test_the_inference_image_loads_a_model_and_answers_where_sagemaker_asks(images: Images, tmp_path: Path) -> None:
    image = images.build(ROOT / "inference_image" / "Dockerfile", ROOT / "inference_image")
    model = save_tiny_model(tmp_path / "model")
    port = free_port()
    question = json.dumps({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}).encode()

    # "Use your own inference code with hosting services" in the SageMaker developer guide: the label that lets a
    # container listen elsewhere, the argument `serve`, /ping and /invocations, the model under /opt/ml/model.
    assert image.config["Labels"]["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert image.config["Cmd"] == ["serve"]
    variables = {
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SLIPWAY_RELEASE_ID": "0123456789ab",
        "SLIPWAY_ROLLOUT_ID": "0123456789ab-1",
    }
    with image.started(variables, "serve", "--host", "127.0.0.1", mount=(model, "/opt/ml/model")) as process:
        answer(process, port, "/ping")
        said = json.loads(answer(process, port, "/invocations", question))
        process.terminate()
        code = process.wait(60)

    assert said["usage"]["completion_tokens"] == 8
    assert code == 0
