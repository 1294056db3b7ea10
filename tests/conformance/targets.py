"""Who is asked: the twin, bare moto, or an account of AWS."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config

from local.images import ImageStore
from local.world import ACCOUNT, REGION, World

ROOT = Path(__file__).parents[2]
CONTAINER = Path(__file__).with_name("container.py")
TIME_SCALE = 200
"""AWS seconds per real second of the twin."""
SCARCE_TYPE, SCARCE_TO_UPDATE, SCARCE_TO_SCALE = "ml.c6i.large", "ml.c6i.2xlarge", "ml.c6i.4xlarge"
"""Of each of these types the twin's account may have two instances."""
RARE_TYPE = "ml.c6i.xlarge"
"""Of this type the twin's AWS has one instance to give."""
SERVICES = ("sagemaker", "sagemaker-runtime", "s3", "ecr", "iam", "sts", "events", "sqs", "cloudwatch", "logs")
_FREELY = ("ml.m5.large", "ml.g5.4xlarge", "ml.c5.large", "ml.c6i.xlarge")
_build_client: Callable[..., Any] = boto3.client


class Need(StrEnum):
    """What a check asks of its target beyond the API."""

    INSTANCES = "instances"
    FAULTS = "faults"
    KNOWN_QUOTA = "known-quota"


@dataclass
class Target:
    """Where the calls go.

    Attributes:
        url: of a local target; None is AWS itself.
        patience_s: how many real seconds a check waits for what it expects, at most.
        pause_s: real seconds between two looks.
        image: URI of the container by digest.
        lacks: what cannot be asked here, and why.
    """

    name: str
    url: str | None
    account: str
    region: str
    patience_s: float
    pause_s: float = 0.1
    image: str = ""
    prefix: str = "conformance"
    lacks: Mapping[Need, str] = field(default_factory=dict)
    clients: dict[str, Any] = field(default_factory=dict)
    role: str = ""
    bucket: str = ""
    shared: str = ""
    sharing: threading.Lock = field(default_factory=threading.Lock)
    at_end: list[Callable[[], object]] = field(default_factory=list)
    events: Callable[[str], list[dict[str, Any]]] = lambda _: []

    def __post_init__(self) -> None:
        # Here, because boto3's default session is not safe to build clients from in several threads.
        self.clients |= {service: self.new_client(service) for service in SERVICES}
        self.clients["unvalidated"] = self.new_client("sagemaker", parameter_validation=False)
        self.clients["unvalidated-runtime"] = self.new_client("sagemaker-runtime", parameter_validation=False)

    def new_client(self, service: str, keys: Mapping[str, str] | None = None, **options: Any) -> Any:
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=32, **options)
        own = {"AccessKeyId": "local", "SecretAccessKey": "local"} if self.url and keys is None else keys
        names = {"AccessKeyId": "aws_access_key_id", "SecretAccessKey": "aws_secret_access_key"}
        names["SessionToken"] = "aws_session_token"
        given = {names[name]: value for name, value in (own or {}).items() if name in names}
        return _build_client(service, endpoint_url=self.url, region_name=self.region, config=config, **given)

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"


@contextmanager
def twin() -> Iterator[Target]:
    """A new embedded AWS in a process of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as folder,
        _serving(_twin_command(folder)) as process,
    ):
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        target = Target("twin", f"http://127.0.0.1:{port}", ACCOUNT, REGION, patience_s=60)
        target.clients["ecr"].create_repository(repositoryName=target.prefix)
        images = ImageStore(World(port, Path(folder)))
        built = images.build(target.prefix, {"container.py": CONTAINER}, ["python", "container.py"])
        target.image = images.push(built, "v1")
        yield target


def _twin_command(folder: str) -> list[str]:
    quotas = {f"{kind} for endpoint usage": 1000 for kind in _FREELY}
    quotas |= {f"{kind} for endpoint usage": 2 for kind in (SCARCE_TYPE, SCARCE_TO_UPDATE, SCARCE_TO_SCALE)}
    quotas |= {"Number of instances across active endpoints": 1000}
    options = [option for name, value in quotas.items() for option in ("--quota", f"{name}={value}")]
    options += ["--capacity", f"{RARE_TYPE}=1", "--state-dir", folder, "--time-scale", str(TIME_SCALE)]
    return [sys.executable, "-m", "local", "--port", "0", "--ui-port", "0", *options]


@contextmanager
def moto() -> Iterator[Target]:
    """A moto server as it comes, without our patches, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with _serving([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]) as process:
        _await(url, process)
        lacks = {
            Need.FAULTS: "bare moto has no faults to set",
            Need.KNOWN_QUOTA: "bare moto has no quotas to set",
        }
        target = Target("moto", url, ACCOUNT, REGION, patience_s=2, lacks=lacks)
        target.clients["ecr"].create_repository(repositoryName=target.prefix)
        digest = "sha256:" + "0" * 64
        target.image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{target.prefix}@{digest}"
        yield target


@contextmanager
def _serving(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "AWS_DEFAULT_REGION": REGION}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _await(url: str, process: subprocess.Popen[str], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    probe = partial(requests.get, url, timeout=5)
    while True:
        try:
            probe()
        except requests.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
