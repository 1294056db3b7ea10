"""What a function loads before its first event: its own flows and nothing that only some events need.

A cold start imports the handler, so what is not imported is what makes it short; how long it takes is measured by
`benchmarks.release`.
"""

import json
import os
import subprocess
import sys
from functools import cache

import pytest

from tests.contract.stack.documents import ROOT, functions

FOLDERS = sorted(functions())
HEAVY = {"jinja2", "jsonschema", "referencing", "cryptography"}
SWEEP = {"sweep_endpoint"}
# A flow that many lines, many contracts or a library hang on, and the steps that it is made for.
LOADED_BY = {
    "release.flows.sweeping": SWEEP,
    "release.flows.drifting": SWEEP,
    "release.flows.operating": {"operate_endpoint"},
    "release.flows.going_back": {"choose_release", "start_rollout", "follow_rollout"},
    "release.flows.examining": {"examine_artifact", "publish_artifact"},
    "release.flows.baking": {"start_preflight", "watch_endpoint"},
    "release.flows.plan_review": {"plan_rollout", "create_green", "shift_traffic"},
    "release.contracts.operation": {"operate_endpoint"},
}
# One child for each handler, forked when the libraries that all of them need are there.
_LOAD = """
import importlib, json, os, sys
import aws_lambda_powertools, boto3.s3.transfer, pydantic.main
boto3.client = boto3.resource = boto3.Session.client = None
for folder in sys.argv[1:]:
    if child := os.fork():
        if os.waitpid(child, 0)[1]:
            sys.exit(f"{folder} cannot be imported")
        continue
    importlib.import_module(f"{folder}.app")
    from release.contracts.base import AwsEvent, Contract
    ahead, built = [Contract, AwsEvent], []
    while ahead:
        model = ahead.pop()
        ahead += model.__subclasses__()
        built += [model.__name__] if model.__pydantic_complete__ else []
    print(json.dumps([folder, sorted(sys.modules), built]), flush=True)
    os._exit(0)
"""


@cache
def loaded() -> dict[str, tuple[set[str], list[str]]]:
    """Modules and finished contracts by folder; building a client fails the import."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "functions"), "AWS_DEFAULT_REGION": "us-east-1"}
    command = [sys.executable, "-c", _LOAD, *FOLDERS]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    found = [json.loads(line) for line in shown.stdout.splitlines()]
    return {folder: (set(modules), built) for folder, modules, built in found}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_loads_no_library_that_only_some_events_need(folder: str) -> None:
    assert loaded()[folder][0] & HEAVY == set()


@pytest.mark.parametrize("flow", LOADED_BY)
def test_a_flow_is_loaded_by_the_functions_that_it_is_for(flow: str) -> None:
    assert {folder for folder in FOLDERS if flow in loaded()[folder][0]} == LOADED_BY[flow]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_contract_is_built_when_it_is_first_used(folder: str) -> None:
    """Pydantic's `defer_build`: https://docs.pydantic.dev/latest/api/config/#pydantic.config.ConfigDict.defer_build."""
    assert [name for name in loaded()[folder][1] if name not in {"Contract", "AwsEvent"}] == []
