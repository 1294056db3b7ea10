"""The real machines on the embedded AWS, with functions that follow a script."""

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from local.world import World
from tests.contract.stack.documents import MACHINES, functions, machine
from tests.integration.local_core.conftest import start, url_of

TIME_SCALE = 100  # for Waits and retries; the limits of tasks and functions are real seconds
DEADLINE_S = 240  # of one execution, in real seconds: on a busy machine a cold start of every step takes its time
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
_RIGHTS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass
class Execution:
    """How it ended, and what each step was sent, in order."""

    status: str
    error: str
    cause: str
    output: Any
    states: list[str]
    sent: dict[str, list[dict[str, Any]]]
    events: int


@dataclass
class Machines:
    world: World
    scripts: Path
    arns: dict[str, str] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def client(self, service: str) -> Any:
        return self.world.client(service)

    def run(
        self,
        name: str,
        script: dict[str, list[dict[str, Any]]] | None = None,
        meanwhile: Callable[[Path], None] = lambda _: None,
        **asked: str,
    ) -> Execution:
        """Run a machine to its end.

        Args:
            script: by step, what its first, second, … call answers or raises.
            meanwhile: what happens while it runs; it is given the folder where steps note what they were sent.
            asked: further words of its input.
        """
        rollout_id = f"{next(self._numbers):012x}-1"
        folder = self.scripts / rollout_id
        folder.mkdir()
        (folder / "script.json").write_text(json.dumps(script or {}))
        client = self.client("stepfunctions")
        started = client.start_execution(
            stateMachineArn=self.arns[name],
            name=rollout_id,
            input=json.dumps({"endpoint": "chat", "rolloutId": rollout_id, **asked}),
        )
        meanwhile(folder)
        deadline = time.monotonic() + DEADLINE_S
        while (found := client.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
            assert time.monotonic() < deadline, f"{name} {rollout_id} still runs after {DEADLINE_S} s"
            time.sleep(0.05)
        events = client.get_execution_history(executionArn=started["executionArn"], maxResults=1000)["events"]
        return Execution(
            found["status"],
            found.get("error", ""),
            found.get("cause", ""),
            json.loads(found.get("output", "null")),
            [each["stateEnteredEventDetails"]["name"] for each in events if "stateEnteredEventDetails" in each],
            {
                path.stem: [json.loads(line) for line in path.read_text().splitlines()]
                for path in folder.glob("*.calls")
            },
            len(events),
        )


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture(scope="package")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    scripts = tmp_path_factory.mktemp("scripts")
    with start("--time-scale", str(TIME_SCALE)) as process:
        try:
            made = Machines(World(port=int(url_of(process).rpartition(":")[2]), state_dir=scripts), scripts)
            _deploy(made)
            yield made
        finally:
            process.terminate()  # also where the set-up failed: leaving the block waits for the end


def _deploy(machines: Machines) -> None:
    iam = machines.client("iam")
    role = iam.create_role(RoleName="scripted", AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="scripted", PolicyName="all", PolicyDocument=json.dumps(_RIGHTS))
    arns = {folder: _function(machines, folder, role) for folder in functions()}
    for name in MACHINES:
        text = json.dumps(machine(name))
        for folder, arn in arns.items():
            text = text.replace(f"${{{''.join(word.capitalize() for word in folder.split('_'))}FunctionArn}}", arn)
        made = machines.client("stepfunctions").create_state_machine(name=name, definition=text, roleArn=role)
        machines.arns[name] = made["stateMachineArn"]


def _function(machines: Machines, folder: str, role: str) -> str:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.write(Path(__file__).with_name("steps.py"), "steps.py")
    made = machines.client("lambda").create_function(
        FunctionName=folder,
        Runtime="python3.11",
        Role=role,
        Handler="steps.handler",
        Code={"ZipFile": code.getvalue()},
        Timeout=30,
        Environment={"Variables": {"STEP": folder, "SCRIPTS": str(machines.scripts)}},
    )
    arn: str = made["FunctionArn"]
    return arn
