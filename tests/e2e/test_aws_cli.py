"""Ordinary clients work: the AWS CLI, from an environment of its own."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.e2e.running import ROOT, Running

AWS = ROOT / ".venv-awscli" / "bin" / "aws"

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]


def aws(slipway: Running, *words: str) -> Any:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "AWS_ENDPOINT_URL": slipway.url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    done = subprocess.run(
        [str(AWS), *words, "--output", "json"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_aws_cli_lists_buckets_executions_and_endpoints(slipway: Running) -> None:
    machine = slipway.outputs["ReleaseStateMachineArn"]

    buckets = aws(slipway, "s3api", "list-buckets")["Buckets"]
    executions = aws(slipway, "stepfunctions", "list-executions", "--state-machine-arn", machine)["executions"]
    endpoints = aws(slipway, "sagemaker", "list-endpoints")["Endpoints"]

    assert slipway.outputs["ArtifactBucketName"] in {bucket["Name"] for bucket in buckets}
    assert executions
    assert [endpoint["EndpointName"] for endpoint in endpoints] == ["slipway-chat"]
