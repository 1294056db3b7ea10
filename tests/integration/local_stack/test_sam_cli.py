"""The SAM CLI as AWS ships it deploys to the embedded AWS, changes what it deployed, and deletes it."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.deploy import deploy
from local.world import World
from slipway.local_env import exports
from tests.integration.local_core.aws import Aws
from tests.integration.local_core.conftest import start, url_of

ROOT = Path(__file__).parents[3]
SAM = ROOT / ".venv-sam" / "bin" / "sam"

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Colour: {Type: String, Default: red}}
Globals: {Function: {Runtime: python3.11, CodeUri: functions/, Timeout: 10}}
Resources:
  Paint:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub ${AWS::StackName}-paint
      Handler: paint.handler
      Environment: {Variables: {COLOUR: !Ref Colour}}
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: machine.asl.yaml
      DefinitionSubstitutions: {PaintArn: !GetAtt Paint.Arn}
      Policies: [{LambdaInvokePolicy: {FunctionName: !Ref Paint}}]
  Child:
    Type: AWS::Serverless::Application
    Properties: {Location: child.yaml, Parameters: {Colour: !Ref Colour}}
Outputs:
  MachineArn: {Value: !Ref Machine}
  ChildColour: {Value: !GetAtt Child.Outputs.Colour}
"""
CHILD = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Colour: {Type: String}}
Resources: {Table: {Type: AWS::Serverless::SimpleTable}}
Outputs: {Colour: {Value: !Sub "very ${Colour}"}}
"""
MACHINE = """
StartAt: Paint  # a comment, which JSON has not
States:
  Paint: {Type: Task, Resource: "${PaintArn}", End: true}
"""
PAINT = "import os\ndef handler(event, context):\n    return {'colour': os.environ['COLOUR']}\n"
CONFIG = """
version = 0.1
[local.global.parameters]
stack_name = "app"
profile = "slipway-local"
[local.deploy.parameters]
resolve_s3 = true
capabilities = "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"
confirm_changeset = false
fail_on_empty_changeset = false
"""


@dataclass
class Sam:
    """The SAM CLI in an application's folder, pointed at one embedded AWS."""

    folder: Path
    aws: Aws

    def __call__(self, *words: str, succeeds: bool = True) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            **exports(int(self.aws.url.rpartition(":")[2])),
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "0.2",
        }
        done = subprocess.run(
            [str(SAM), *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) is succeeds, said
        return said

    def outputs(self) -> dict[str, str]:
        [stack] = self.aws.client("cloudformation").describe_stacks(StackName="app")["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def painted(self) -> Any:
        return json.loads(self.aws.run(self.outputs()["MachineArn"])["output"])["colour"]


@pytest.fixture(scope="module")
def sam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sam]:
    assert SAM.exists(), "the SAM CLI is not installed; run: make .venv-sam/.ready"
    folder = tmp_path_factory.mktemp("sam") / "app"
    (folder / "functions").mkdir(parents=True)
    files = {"template.yaml": TEMPLATE, "child.yaml": CHILD, "machine.asl.yaml": MACHINE, "samconfig.toml": CONFIG}
    for name, content in {**files, "functions/paint.py": PAINT}.items():
        (folder / name).write_text(content)
    with start() as process:
        yield Sam(folder, Aws(url_of(process), process.pid))
        process.terminate()
        assert process.wait(60) == 0


@pytest.mark.timeout(180)
def test_sam_deploys_changes_and_leaves_alone(sam: Sam) -> None:
    first = sam("deploy", "--config-env", "local")

    assert "Successfully created/updated stack - app in us-east-1" in first
    assert sam.outputs()["ChildColour"] == "very red"
    assert sam.painted() == "red"

    second = sam("deploy", "--config-env", "local", "--parameter-overrides", "Colour=blue")

    assert "* Modify" in second
    assert "+ Add" not in second
    assert "UPDATE_COMPLETE" in second
    assert (sam.outputs()["ChildColour"], sam.painted()) == ("very blue", "blue")

    third = sam("deploy", "--config-env", "local", "--parameter-overrides", "Colour=blue")

    assert "No changes to deploy. Stack app is up to date" in third


@pytest.mark.timeout(180)
def test_without_the_exports_sam_touches_no_account(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAOFTHEPERSON\naws_secret_access_key = their-own\n"
    )
    # Should the guard ever break, the person's keys still go to a closed port of this machine and no further.
    closed = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1", "SAM_CLI_TELEMETRY": "0"}
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_DEFAULT_REGION": "us-east-1", **closed}

    for command in ("deploy", "delete"):
        done = subprocess.run(
            [str(SAM), command, "--config-env", "local"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode != 0
        assert "The config profile (slipway-local) could not be found" in done.stdout + done.stderr


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_sam_shows_what_was_refused_and_deletes_what_it_deployed(sam: Sam) -> None:
    sam("deploy", "--config-env", "local", "--parameter-overrides", "Colour=green")
    wanted = ("--parameter-overrides", "Colour=grey", "--capabilities", "CAPABILITY_AUTO_EXPAND")
    refused = sam("deploy", "--config-env", "local", *wanted, succeeds=False)

    assert "Requires capabilities : [CAPABILITY_IAM]" in refused
    assert sam.painted() == "green"

    said = sam("delete", "--stack-name", "app", "--no-prompts")

    assert "Deleted successfully" in said
    assert sam.aws.client("dynamodb").list_tables()["TableNames"] == []
    assert sam.aws.client("lambda").list_functions()["Functions"] == []


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_sam_deploys_slipway_over_what_the_local_command_deployed(sam: Sam) -> None:
    world = World(port=int(sam.aws.url.rsplit(":", 1)[1]), state_dir=sam.folder)
    before = deploy(world, ROOT / "template.yaml", "slipway", {"ChatEndpoint": "talk"})

    said = Sam(ROOT, sam.aws)("deploy", "--config-env", "local", "--parameter-overrides", "BakeSeconds=7")

    assert "Successfully created/updated stack - slipway in us-east-1" in said
    [stack] = sam.aws.client("cloudformation").describe_stacks(StackName="slipway")["Stacks"]
    assert {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]} == before
    chosen = {item["ParameterKey"]: item["ParameterValue"] for item in stack["Parameters"]}
    assert (chosen["BakeSeconds"], chosen["ChatEndpoint"]) == ("7", "talk"), "what is not given stays"
