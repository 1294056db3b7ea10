"""The embedded AWS beside what it wraps: start and memory, InvokeEndpoint against the bare container, 100 streams.

The container is the stand-in server, so that the model's own time is small and the same on both ways. Calls of the two
ways alternate, so that a busy machine is busy for both.
"""

import http.client
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.eventstream import EventStreamBuffer

from benchmarks.first_answer import commit
from local.images import ImageStore
from local.world import World

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PROC = Path("/proc")
STARTS = 5
CALLS = 400
WARM_UP = 40
STREAMS = 100
WORDS = 20
ENDPOINT = "bench"
BODY = json.dumps({"messages": [{"role": "user", "content": "one"}]}).encode()
# Signatures are not checked here, so a credential without one names who calls.
HEADERS = {
    "Content-Type": "application/json",
    "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/sagemaker/aws4_request, Signature=none",
}
ENVIRONMENT = {
    "SLIPWAY_RELEASE_ID": "000000000000",
    "SLIPWAY_ROLLOUT_ID": "000000000000-1",
    "SLIPWAY_MAX_CONCURRENCY": str(STREAMS),
    "SLIPWAY_MAX_QUEUE": str(STREAMS),
    "STAND_IN_TOKEN_S": "0",
}


@contextmanager
def embedded_aws() -> Iterator[tuple[World, subprocess.Popen[str], float]]:
    """A new embedded AWS, its process, and the seconds that it took to be ready."""
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        began = time.monotonic()
        command = [sys.executable, "-m", "local", "--port", "0", "--ui-port", "0", "--state-dir", folder]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            port = int(process.stdout.readline().rpartition(":")[2])
            try:
                yield World(port, Path(folder)), process, time.monotonic() - began
            finally:
                process.terminate()


def serve_stand_in(world: World) -> None:
    """Bring one instance of the stand-in into service behind the endpoint."""
    world.client("ecr").create_repository(repositoryName="bench")
    images = ImageStore(world)
    image = images.push(images.build("bench", ROOT / "inference_image", ["python", "stand_in.py"]), "release-1")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    may = {"Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": "*"}
    role = world.client("iam").create_role(RoleName="bench", AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    world.client("iam").put_role_policy(RoleName="bench", PolicyName="bench", PolicyDocument=_policy(may))
    sagemaker = world.client("sagemaker")
    container = {"Image": image, "Environment": ENVIRONMENT}
    sagemaker.create_model(ModelName=ENDPOINT, ExecutionRoleArn=role, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": ENDPOINT, "InstanceType": "ml.g5.xlarge"}
    sagemaker.create_endpoint_config(
        EndpointConfigName=ENDPOINT, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName=ENDPOINT)
    waiter = sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=ENDPOINT, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def container_port(parent: int) -> int:
    """Where the only container of this embedded AWS listens, as its environment says.

    Raises:
        RuntimeError: none runs.
    """
    for entry in PROC.iterdir():
        if entry.name.isdigit() and f"\nPPid:\t{parent}\n" in _read(entry / "status"):
            for variable in _read(entry / "environ").split("\0"):
                if variable.startswith("SAGEMAKER_BIND_TO_PORT="):
                    return int(variable.partition("=")[2])
    raise RuntimeError(f"process {parent} has no container")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # it ended, or belongs to somebody else


def memory_mib(pid: int) -> float:
    """Resident memory of the embedded AWS's own process."""
    line = next(line for line in _read(PROC / str(pid) / "status").splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def cpu_s(pid: int) -> float:
    """CPU seconds that the process has used, which a busy machine does not stretch. Source: proc(5), fields 14, 15."""
    fields = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def call_ms(connection: http.client.HTTPConnection, path: str) -> float:
    """
    Raises:
        RuntimeError: the answer is no 200.
    """
    began = time.perf_counter()
    connection.request("POST", path, BODY, HEADERS)
    response = connection.getresponse()
    body = response.read()
    took_ms = (time.perf_counter() - began) * 1000
    if response.status != http.client.OK:
        raise RuntimeError(f"{path} answered {response.status}: {body[:200]!r}")
    return took_ms


def overhead(aws_port: int, direct_port: int) -> tuple[list[float], list[float]]:
    """Milliseconds of calls to the container and of calls through InvokeEndpoint, by turns."""
    direct = http.client.HTTPConnection("127.0.0.1", direct_port)
    through = http.client.HTTPConnection("127.0.0.1", aws_port)
    directs, throughs = [], []
    for _ in range(WARM_UP + CALLS):
        directs.append(call_ms(direct, "/invocations"))
        throughs.append(call_ms(through, f"/endpoints/{ENDPOINT}/invocations"))
    return directs[WARM_UP:], throughs[WARM_UP:]


def stream(port: int, path: str, begin: threading.Barrier, *, encoded: bool) -> float:
    """Seconds that one stream took, from the common start to its last byte.

    Raises:
        RuntimeError: it ended without its last word.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.connect()
    words = " ".join(f"w{number}" for number in range(WORDS))
    body = json.dumps({"messages": [{"role": "user", "content": words}], "stream": True})
    begin.wait()
    began = time.monotonic()
    connection.request("POST", path, body, HEADERS)
    text = connection.getresponse().read()
    took_s = time.monotonic() - began
    if encoded:
        buffer = EventStreamBuffer()
        buffer.add_data(text)
        text = b"".join(message.payload for message in buffer)
    if b"[DONE]" not in text or f"w{WORDS - 1}".encode() not in text:
        raise RuntimeError(f"a stream ended without its last word: {text[-200:]!r}")
    return took_s


def streams_s(port: int, path: str, *, encoded: bool) -> list[float]:
    begin = threading.Barrier(STREAMS)
    with ThreadPoolExecutor(STREAMS) as pool:
        return list(pool.map(lambda _: stream(port, path, begin, encoded=encoded), range(STREAMS)))


def keep(claim: str, value: str) -> None:
    busy = f"load average {os.getloadavg()[0]:.0f}"
    hardware = f"{os.cpu_count()} cores, {busy}, {platform.machine()}, {platform.system()}"
    result = {
        "how": "measured",
        "value": value,
        "hardware": hardware,
        "versions": f"Python {platform.python_version()}, commit {commit()}",
        "command": "make bench-local",
        "date": datetime.now(UTC).date().isoformat(),
    }
    (RESULTS / f"{claim}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{claim}: {value} on {hardware}")


def measure_starts() -> None:
    starts, computing, memories = [], [], []
    for _ in range(STARTS):
        with embedded_aws() as (_, process, took_s):
            starts.append(took_s)
            computing.append(cpu_s(process.pid))
            memories.append(memory_mib(process.pid))
    keep(
        "local-aws-start",
        f"median {statistics.median(starts):.1f} s of {STARTS} starts, {statistics.median(computing):.1f} s of them "
        f"computing (limit 5 s on a quiet machine), {max(memories):.0f} MiB when ready (limit 400 MiB)",
    )


def measure_calls() -> None:
    with embedded_aws() as (world, process, _):
        serve_stand_in(world)
        port = container_port(process.pid)
        directs, throughs = overhead(world.port, port)
        direct, through = statistics.median(directs), statistics.median(throughs)
        added = [whole - part for whole, part in zip(throughs, directs, strict=True)]
        p95 = statistics.quantiles(added, n=20)[-1]
        keep(
            "local-aws-overhead",
            f"median {statistics.median(added):.1f} ms, p95 {p95:.1f} ms over the container's {direct:.1f} ms "
            f"(x{through / direct:.1f}; limit 5 ms median), {CALLS} calls each way",
        )
        alone = streams_s(port, "/invocations", encoded=False)
        path = f"/endpoints/{ENDPOINT}/invocations-response-stream"
        wrapped = streams_s(world.port, path, encoded=True)
        keep(
            "local-aws-streams",
            f"{STREAMS} of {STREAMS} whole; median {statistics.median(wrapped):.2f} s against "
            f"{statistics.median(alone):.2f} s of the bare container "
            f"(x{statistics.median(wrapped) / statistics.median(alone):.1f}), {memory_mib(process.pid):.0f} MiB",
        )


def main() -> None:
    measure_starts()
    measure_calls()


if __name__ == "__main__":
    main()
