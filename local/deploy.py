"""What `sam package` and `sam deploy` do, against the embedded AWS and in one call.

Python packages are not installed into the code zip: functions run in the environment that the supervisor runs in.
"""

import hashlib
import io
import json
import shlex
import time
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError
from samtranslator.yaml_helper import yaml_parse

from local.world import REGION, World

ARTIFACTS_BUCKET = "local-deploy-artifacts"
_ZIPPED = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}
_LEFT_OUT = frozenset({"__pycache__", "tests", ".mypy_cache", ".ruff_cache", ".pytest_cache"})
_REMOTE = ("s3://", "https://")
_DEPLOYED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
_POLL_S, _LIMIT_S = 0.1, 300.0  # real time
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can hold


class DeployError(Exception):
    """The stack was not deployed; the message names the resource or the parameter and why. Fix it, deploy again."""


def deploy(world: World, template: Path, stack: str, parameters: Mapping[str, str] | None = None) -> dict[str, str]:
    """Package and deploy a SAM template; returns the stack's outputs.

    Args:
        template: the file; paths in it are relative to its folder, where a `samconfig.toml` may lie.
        parameters: override the `parameter_overrides` of samconfig's environment `local`.

    Raises:
        DeployError: the template is invalid, needs what the embedded AWS refuses, or a resource failed.
    """
    packager = _Packager(world, stack)
    document = packager.packaged(template)
    chosen = samconfig_parameters(template.parent / "samconfig.toml") | dict(parameters or {})
    unknown = sorted(set(chosen) - set(document.get("Parameters", {})))
    if unknown:
        raise DeployError(f"{template.name} declares no parameter {', '.join(unknown)}; remove or correct the override")
    return _apply(world, stack, packager.template_url(document), chosen)


def samconfig_parameters(samconfig: Path, environment: str = "local") -> dict[str, str]:
    """The environment's `parameter_overrides`, in any of the forms that samconfig allows; none if the file is absent.

    Raises:
        DeployError: the file or an override cannot be read.
    """
    if not samconfig.exists():
        return {}
    try:
        config = tomllib.loads(samconfig.read_text())
    except tomllib.TOMLDecodeError as error:
        raise DeployError(f"{samconfig.name} is not valid TOML: {error}") from error
    overrides = config.get(environment, {}).get("deploy", {}).get("parameters", {}).get("parameter_overrides", [])
    if isinstance(overrides, dict):
        return {name: str(value) for name, value in overrides.items()}
    pairs = shlex.split(overrides) if isinstance(overrides, str) else [str(pair) for pair in overrides]
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise DeployError(f"{samconfig.name} overrides a parameter with {wrong[0]!r}; write Name=value")
    # shlex took the quotes that a string carries; an item of a list still has its own.
    return {name: value.strip('"') for name, _, value in (pair.partition("=") for pair in pairs)}


class _Packager:
    """Replaces local paths by what lies in the artifacts bucket, as `sam package` does."""

    def __init__(self, world: World, stack: str) -> None:
        self._s3 = world.client("s3")
        self._stack = stack
        self._s3.create_bucket(Bucket=ARTIFACTS_BUCKET)
        self._zips: dict[Path, str] = {}

    def packaged(self, template: Path) -> dict[str, Any]:
        """The document of one template, whose code and children lie in S3."""
        try:
            document: dict[str, Any] = yaml_parse(template.read_text())  # type: ignore[no-untyped-call] # ships no types
        except (OSError, yaml.YAMLError) as error:
            raise DeployError(f"template {template} cannot be read: {error}") from error
        code_uri = document.get("Globals", {}).get("Function", {}).get("CodeUri")
        if _is_local(code_uri):
            document["Globals"]["Function"]["CodeUri"] = self._zip(template.parent / code_uri)
        for name, resource in document.get("Resources", {}).items():
            self._package(name, resource, template.parent)
        return document

    def template_url(self, document: Mapping[str, Any]) -> str:
        """The address of the document, once it is uploaded."""
        key = self._upload(json.dumps(document, default=str).encode(), "template")
        return f"https://s3.{REGION}.amazonaws.com/{ARTIFACTS_BUCKET}/{key}"

    def _package(self, name: str, resource: dict[str, Any], folder: Path) -> None:
        properties = resource.get("Properties", {})
        zipped = _ZIPPED.get(resource["Type"])
        if zipped and _is_local(properties.get(zipped)):
            properties[zipped] = self._zip(folder / properties[zipped])
        if resource["Type"] == "AWS::Serverless::StateMachine" and _is_local(properties.get("DefinitionUri")):
            properties["Definition"] = _definition(name, folder / properties.pop("DefinitionUri"))
        if resource["Type"] == "AWS::Serverless::Application" and _is_local(properties.get("Location")):
            properties["Location"] = self.template_url(self.packaged(folder / properties["Location"]))

    def _zip(self, folder: Path) -> str:
        if folder not in self._zips:
            self._zips[folder] = f"s3://{ARTIFACTS_BUCKET}/{self._upload(zipped(folder), 'zip')}"
        return self._zips[folder]

    def _upload(self, content: bytes, suffix: str) -> str:
        # Named by its content: an unchanged folder keeps its key, so that an update touches what changed and no more.
        key = f"{self._stack}/{hashlib.sha256(content).hexdigest()[:32]}.{suffix}"
        self._s3.put_object(Bucket=ARTIFACTS_BUCKET, Key=key, Body=content)
        return key


def zipped(folder: Path) -> bytes:
    """The folder as a zip whose bytes depend on the names and contents of its files alone.

    Caches, tests and requirement files stay out.

    Raises:
        DeployError: the folder is missing or empty.
    """
    files = {path.relative_to(folder).as_posix(): path for path in _code_files(folder)}
    if not files:
        raise DeployError(f"code folder {folder} holds no file; a function needs its code")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return out.getvalue()


def _code_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        kept = _LEFT_OUT.isdisjoint(path.relative_to(folder).parts) and path.suffix != ".pyc"
        if kept and path.is_file() and not path.name.startswith("requirements"):
            yield path


def _is_local(uri: Any) -> bool:
    return isinstance(uri, str) and not uri.startswith(_REMOTE)


def _definition(name: str, path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise DeployError(f"{name}: the state machine's definition {path} cannot be read: {error}") from error


def _apply(world: World, stack: str, template_url: str, parameters: Mapping[str, str]) -> dict[str, str]:
    cloudformation = world.client("cloudformation")
    request = {
        "StackName": stack,
        "TemplateURL": template_url,
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    try:
        known = _exists(cloudformation, stack)
        began = cloudformation.update_stack(**request) if known else cloudformation.create_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeployError(f"stack {stack} was not deployed: {error.response['Error']['Message']}") from error
        described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    else:
        described = _ended(cloudformation, began["StackId"])
    if described["StackStatus"] not in _DEPLOYED:
        raise DeployError(f"stack {stack} was not deployed: {_first_failure(cloudformation, described['StackId'])}")
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def _ended(cloudformation: Any, stack_id: str) -> Any:
    """The stack as it is when its operation is over, or at the deadline."""
    deadline = time.monotonic() + _LIMIT_S
    while True:
        described = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        if not described["StackStatus"].endswith("_IN_PROGRESS") or time.monotonic() > deadline:
            return described
        time.sleep(_POLL_S)


def _exists(cloudformation: Any, stack: str) -> bool:
    try:
        described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError:
        return False
    if described["StackStatus"] == "ROLLBACK_COMPLETE":
        # A stack that was never created can only be deleted; `sam deploy` asks a person to, here nothing is lost by it.
        cloudformation.delete_stack(StackName=stack)
        _ended(cloudformation, described["StackId"])
        return False
    return True


def _first_failure(cloudformation: Any, stack: str) -> str:
    """The resource that failed first and why; of a nested stack, the one inside it."""
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    events = [event for page in pages for event in page["StackEvents"]]
    failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("_FAILED")]
    if not failed:
        return f"it did not finish within {_LIMIT_S:g} seconds; look at describe-stack-events"
    event = failed[0]
    nested = event.get("PhysicalResourceId", "")
    if event["ResourceType"] == "AWS::CloudFormation::Stack" and nested not in {"", event["StackId"]}:
        reason = _first_failure(cloudformation, nested)
    else:
        reason = event["ResourceStatusReason"]
    return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"
