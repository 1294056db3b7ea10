"""One Slipway in this process: the template's stack on the embedded AWS, fast time and containers that cost little."""

import hashlib
import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from socketserver import BaseServer
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import botocore.endpoint
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from local import supervisor
from local.deploy import deploy
from local.images import ImageStore, RunSpec
from local.world import ACCOUNT, ADMIN_KEY, ADMIN_SECRET, REGION, World
from release.wiring import clients
from tests.contract.stack.documents import ROOT
from tests.fault_matrix.boundary import Boundary
from tests.fault_matrix.functions import InProcessFunctions
from tests.fault_matrix.haste import make_haste

TIME_SCALE = 30.0
"""AWS seconds per real second. The dead-man alarm waits 120 s, so a busy machine may be silent for 4 s."""
STACK = "slipway"
_SWEEP_RULES = ("sweep-hourly", "execution-failed")
_CONTAINER = ROOT / "tests/integration/release/container.py"
_PARAMETERS = {"BakeSeconds": "8", "StepWaitSeconds": "0", "StartupTimeoutSeconds": "600"}
# Ten minutes to come up are twenty real seconds: a busy machine needs a few to start a process.


class StandInImages(ImageStore):
    """Every image is one container of the standard library that says which release it is."""

    def run_spec(self, image_uri: str) -> RunSpec:  # noqa: ARG002 - every image is the same container here
        return RunSpec([sys.executable, "-I", "-S", str(_CONTAINER)], _CONTAINER.parent, {})


@dataclass(frozen=True)
class Slipway:
    """The running stack and its outputs."""

    world: World
    boundary: Boundary
    outputs: Mapping[str, str]

    def client(self, service: str) -> Any:
        return self.world.client(service)

    def busy(self, endpoint: str) -> bool:
        """Whether an execution about the endpoint runs; asked without a request, because it is asked all the time."""
        machines = stepfunctions_parser_backends[ACCOUNT][REGION]
        known = list(self.boundary.executions.get(endpoint, ()))
        return any(machines.describe_execution(arn).status == "RUNNING" for arn in known)


@contextmanager
def running(time_scale: float = TIME_SCALE) -> Iterator[Slipway]:
    """Deployed, with a first image pushed; everything ends with the block."""
    with ExitStack() as undo:
        undo.enter_context(patch.object(supervisor, "LambdaRuntime", InProcessFunctions))
        undo.enter_context(patch.object(supervisor, "ImageStore", StandInImages))
        # Faults cut connections all the time; a traceback for each would bury everything else.
        undo.enter_context(patch.object(BaseServer, "handle_error", lambda *_: None))
        undo.enter_context(patch.object(AmazonStateLanguageParser, "parse", staticmethod(_parsed)))
        make_haste(undo)
        _be_quiet(undo)
        aws = supervisor.Supervisor(supervisor.Settings(port=0, time_scale=time_scale))
        undo.callback(aws.stop)
        boundary = Boundary(aws.world, aws.world.clock.time)
        aws._functions.boundary = boundary  # type: ignore[attr-defined]  # the class was replaced above
        aws.start()
        outputs = deploy(aws.world, ROOT / "template.yaml", STACK, _PARAMETERS)
        undo.enter_context(patch.dict(os.environ, _environment(aws.world)))
        _wire(undo, boundary)
        slipway = Slipway(aws.world, boundary, outputs)
        for rule in _SWEEP_RULES:  # what a case leaves behind is judged before anything tidies it up
            slipway.client("events").disable_rule(Name=f"{STACK}-{rule}")
        _forget_stack_alarms(slipway)
        push_image(slipway)
        yield slipway


_parse = AmazonStateLanguageParser.parse
_tree = cache(lambda definition: _parse(definition)[1])


def _parsed(definition: str) -> tuple[Any, Any]:
    """moto's parser, but that a machine's text is read once and not for every execution: a sixth of a rollout's CPU."""
    tree = _tree(definition)
    return Preprocessor().visit(tree), tree


def _forget_stack_alarms(slipway: Slipway) -> None:
    """The alarms of the stack's functions and queues judge no case, and are evaluated thirty times a minute; those of
    rollouts come later."""
    cloudwatch = slipway.client("cloudwatch")
    kinds: Any = ["CompositeAlarm", "MetricAlarm"]
    there = cloudwatch.describe_alarms(MaxRecords=100, AlarmTypes=kinds)
    for alarms in (there["CompositeAlarms"], there["MetricAlarms"]):  # one that asks others goes before them
        cloudwatch.delete_alarms(AlarmNames=[alarm["AlarmName"] for alarm in alarms])


def _be_quiet(undo: ExitStack) -> None:
    for logger in map(logging.getLogger, ("werkzeug", "local", "moto", "botocore")):
        undo.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL)


def _environment(world: World) -> dict[str, str]:
    """What the functions' processes would have; the template gives a name the same value everywhere."""
    functions = world.client("lambda").list_functions()["Functions"]
    found = {name: value for each in functions for name, value in each["Environment"]["Variables"].items()}
    own = {
        "AWS_ENDPOINT_URL": world.url,
        "AWS_ACCESS_KEY_ID": ADMIN_KEY,
        "AWS_SECRET_ACCESS_KEY": ADMIN_SECRET,
        "AWS_DEFAULT_REGION": REGION,
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "POWERTOOLS_METRICS_DISABLED": "true",
    }
    return found | own


def _wire(undo: ExitStack, boundary: Boundary) -> None:
    """Give the handlers this world's clock and clients."""
    undo.enter_context(patch.object(clients, "client", lambda service: boundary.client(service, clients.CLIENT)))
    undo.enter_context(patch.object(clients, "now", boundary.world.clock.now))
    sleep = boundary.world.clock.sleep  # what a client waits before its next attempt is AWS time too
    undo.enter_context(patch.object(botocore.endpoint, "time", SimpleNamespace(sleep=sleep)))
    _forget_wiring()
    undo.callback(_forget_wiring)
    for folder in sorted((ROOT / "functions").glob("*/app.py")):
        importlib.import_module(f"{folder.parent.name}.app")


def _forget_wiring() -> None:
    for name, module in sys.modules.items():
        if name.startswith("release.wiring."):
            for factory in vars(module).values():
                if hasattr(factory, "cache_clear"):
                    factory.cache_clear()


def push_image(slipway: Slipway, tag: str = "release-1") -> None:
    """Push an image and wait until it is known: a drop before that would wait for it."""
    media = "application/vnd.docker.distribution.manifest.v2+json"
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": "sha256:00"}
    text = json.dumps({"schemaVersion": 2, "mediaType": media, "config": config, "layers": [], "note": tag})
    slipway.client("ecr").put_image(
        repositoryName=f"{STACK}-inference",
        imageManifest=text,
        imageTag=tag,
        imageDigest=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
    )
    deadline = time.monotonic() + 60
    while (
        not slipway.client("dynamodb")
        .get_item(TableName=f"{STACK}-releases", Key={"pk": {"S": "image"}, "sk": {"S": "newest"}})
        .get("Item")
    ):
        assert time.monotonic() < deadline, "nobody received the image"
        time.sleep(0.05)
