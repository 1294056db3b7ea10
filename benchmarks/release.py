"""What a release costs: state transitions, Lambda milliseconds, dollars, and the seconds to live that are ours.

The real machines and functions run on the embedded AWS at the clock's true speed, functions in processes of their own,
over the stand-in server, with bake 0. Ours is what is left of the time from the seal to the machine's end without the
waits for SageMaker (the Wait state) and for alarms that CloudWatch has not evaluated yet.
"""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.first_answer import commit
from benchmarks.local_aws import embedded_aws
from local.deploy import deploy
from local.images import ImageStore
from local.world import World
from tests.builders.artifacts import artifact

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PRICES: dict[str, Any] = json.loads((Path(__file__).parent / "release_prices.json").read_text(encoding="utf-8"))
RELEASES = 5
LIMIT_S = 300.0
MOST_TRANSITIONS, MOST_DOLLARS, MOST_OWN_S, MOST_IMPORT_MS = 60, 0.005, 2.0, 150.0
PARAMETERS = {"BakeSeconds": "0", "StepWaitSeconds": "0", "Preflight": "false", "StartupTimeoutSeconds": "120"}
# SageMaker's time and CloudWatch's: what no orchestration can shorten.
WAITS = {"Wait for endpoint", "(waiting for alarms)"}
_REPORT = re.compile(r"Billed Duration: (\d+) ms\s+Memory Size: (\d+) MB")
# Building a client at import is an error here: clients belong to the first use.
_IMPORT = """
import importlib, sys, time
import boto3, boto3.s3.transfer, botocore.config, botocore.exceptions
boto3.client = boto3.resource = boto3.Session.client = None
began = time.process_time()
importlib.import_module(sys.argv[1])
print(time.process_time() - began)
"""


@dataclass(frozen=True, slots=True)
class Release:
    """One release, from its seal to the end of its execution.

    Args:
        spent_s: state → seconds in it; before the execution began is `(intake)`.
        billed: memory in MB of each invocation and the milliseconds that Lambda bills for it.
    """

    transitions: int
    spent_s: Mapping[str, float]
    billed: tuple[tuple[int, int], ...]

    @property
    def own_s(self) -> float:
        return sum(spent_s for state, spent_s in self.spent_s.items() if state not in WAITS)

    @property
    def dollars(self) -> float:
        gb_s = sum(memory_mb / 1024 * billed_ms / 1000 for memory_mb, billed_ms in self.billed)
        by_lambda = len(self.billed) * PRICES["lambdaPerRequest"] + gb_s * PRICES["lambdaPerGbSecond"]
        return float(self.transitions * PRICES["stepFunctionsPerTransition"] + by_lambda)


def transitions_of(events: list[dict[str, Any]]) -> int:
    """States that were entered and retries of tasks, which are what Step Functions charges for."""
    kinds = Counter(event["type"] for event in events)
    entered = sum(count for kind, count in kinds.items() if kind.endswith("StateEntered"))
    return entered + kinds["TaskScheduled"] - kinds["TaskStateEntered"]


def spent_in(events: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds per state; the time between a failed attempt for an unsettled alarm and the next one counts by itself."""
    spent: defaultdict[str, float] = defaultdict(float)
    state = ""
    for event, later in pairwise(events):
        state = event.get("stateEnteredEventDetails", {}).get("name", state)
        waits = event.get("taskFailedEventDetails", {}).get("error") == "AlarmsUnsettledError"
        spent["(waiting for alarms)" if waits else state] += (later["timestamp"] - event["timestamp"]).total_seconds()
    return dict(spent)


def released(world: World, outputs: Mapping[str, str], endpoint: str, version: str) -> Release:
    """Drop a model and follow it to its end.

    Raises:
        RuntimeError: it did not go live.
    """
    states, machine = world.client("stepfunctions"), outputs["ReleaseStateMachineArn"]
    known = {execution["executionArn"] for execution in _executions(states, machine)}
    seen = len(_reports(world))
    sealed = _drop(world, outputs["ArtifactBucketName"], endpoint, version)
    arn = _ended(states, machine, known)
    found = states.describe_execution(executionArn=arn)
    if found["status"] != "SUCCEEDED":
        raise RuntimeError(f"{arn} ended as {found['status']}: {found.get('cause')}")
    events = states.get_execution_history(executionArn=arn, maxResults=1000)["events"]
    intake = {"(intake)": (events[0]["timestamp"] - sealed).total_seconds()}
    return Release(transitions_of(events), intake | spent_in(events), tuple(_reports(world)[seen:]))


def _drop(world: World, bucket: str, endpoint: str, version: str) -> datetime:
    """When the seal was written."""
    s3 = world.client("s3")
    for path, body in artifact(f"{endpoint} {version}").items():
        s3.put_object(Bucket=bucket, Key=f"models/{endpoint}/{version}/{path}", Body=body)
    sealed = datetime.now(UTC)
    s3.put_object(Bucket=bucket, Key=f"models/{endpoint}/{version}/manifest.json", Body=b"{}")
    return sealed


def _executions(states: Any, machine: str) -> list[Any]:
    found: list[Any] = states.list_executions(stateMachineArn=machine)["executions"]
    return found


def _ended(states: Any, machine: str, known: set[str]) -> str:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        new = [each for each in _executions(states, machine) if each["executionArn"] not in known]
        if new and new[0]["status"] != "RUNNING":
            return str(new[0]["executionArn"])
        time.sleep(0.2)
    raise RuntimeError(f"no execution ended within {LIMIT_S:g} s")


def _reports(world: World) -> list[tuple[int, int]]:
    """Memory and billed milliseconds of every invocation so far, functions one after the other in time's order."""
    logs = world.client("logs").get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/slipway")
    lines = sorted((event["timestamp"], event["message"]) for page in logs for event in page["events"])
    return [(int(found[2]), int(found[1])) for _, line in lines if (found := _REPORT.search(line))]


def own_import_ms(function: str) -> float:
    """Milliseconds of CPU that importing the handler takes once AWS's SDK is there, the best of three.

    CPU, because a busy machine stretches the wall clock; the best, because the first run compiles.

    Raises:
        CalledProcessError: the import failed, or built a client.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "functions"), "AWS_DEFAULT_REGION": PRICES["region"]}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as compiled:
        environment["PYTHONPYCACHEPREFIX"] = compiled
        command = [sys.executable, "-c", _IMPORT, f"{function}.app"]
        shown = [
            subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout
            for _ in range(3)
        ]
    return min(map(float, shown)) * 1000


def functions() -> list[str]:
    return sorted(folder.parent.name for folder in (ROOT / "functions").glob("*/app.py"))


def measured() -> tuple[list[Release], Release]:
    """First releases with warm functions, and one update."""
    with embedded_aws() as (world, _, _):
        outputs = deploy(world, ROOT / "template.yaml", "slipway", PARAMETERS)
        images = ImageStore(world)
        images.push(images.build("slipway-inference", ROOT / "inference_image", ["python", "stand_in.py"]), "release-1")
        released(world, outputs, "warm", "v1")
        firsts = [released(world, outputs, f"bench{number}", "v1") for number in range(RELEASES)]
        return firsts, released(world, outputs, "bench0", "v2")


def keep(claim: str, value: str) -> None:
    result = {
        "how": "measured",
        "value": value,
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "versions": f"Python {platform.python_version()}, commit {commit()}",
        "command": "make bench-release",
        "date": datetime.now(UTC).date().isoformat(),
    }
    (RESULTS / f"{claim}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    imports = {function: own_import_ms(function) for function in functions()}
    firsts, update = measured()
    own_s = statistics.median(release.own_s for release in firsts)
    for state in sorted({state for release in firsts for state in release.spent_s}):
        typical = statistics.median(release.spent_s.get(state, 0.0) for release in firsts)
        print(f"{typical:7.3f} s  {state}")
    slowest = max(imports, key=imports.__getitem__)
    dearest = max([*firsts, update], key=lambda release: release.dollars)
    transitions = max(release.transitions for release in [*firsts, update])
    billed_ms = sum(billed_ms for _, billed_ms in dearest.billed)
    price = f"${dearest.dollars:.4f} (aim $0.005), {transitions} transitions (aim 60), {billed_ms} ms of Lambda"
    time_s = f"p50 {own_s:.2f} s of {len(firsts)} (aim 2 s), slowest own import {imports[slowest]:.0f} ms ({slowest})"
    keep("release-price", price)
    keep("orchestration-time", time_s)
    print(f"release: {price}; {time_s}")
    met = transitions <= MOST_TRANSITIONS and dearest.dollars <= MOST_DOLLARS
    return 0 if met and own_s <= MOST_OWN_S and imports[slowest] <= MOST_IMPORT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
