"""ECS services as processes: each active service that wants a task runs its task's first container on this machine.

There is no network between a load balancer and a task here: the one load balancer's address *is* the port that the
container listens on, and a service runs one task however many it wants, because one port serves one process.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from botocore.exceptions import ClientError
from moto.ecs.models import ecs_backends

from local.images import ImageError, RunSpec
from local.looking import Looking
from local.world import ACCOUNT, REGION, World

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.25  # real seconds: a person waits for the page
_FIRST_BACK_OFF_S, _LONGEST_BACK_OFF_S = 1.0, 60.0  # AWS seconds
_HEALTHY_AFTER_S = 30.0  # AWS seconds of running after which a crash counts as the first again
_STOP_GRACE_S = 10.0  # real seconds between SIGTERM and SIGKILL
_KEPT_EVENTS = 100


class Images(Protocol):
    def run_spec(self, image_uri: str) -> RunSpec: ...


@dataclass
class _Task:
    """The one task of a service: which revision it runs and how its starts went."""

    task_definition: str
    process: subprocess.Popen[bytes] | None = None
    started_at_s: float = 0.0
    crashes: int = 0
    not_before_s: float = 0.0
    """AWS time before which no start is tried."""
    said: set[str] = field(default_factory=set)


class EcsServices(Looking):
    """Keeps the processes equal to what the services want; a crash is answered by a restart with growing waits.

    Args:
        images: finds what a container's image runs.
        ui_port: the port of the one load balancer, on 127.0.0.1.
    """

    def __init__(self, world: World, images: Images, ui_port: int) -> None:
        self._world = world
        self._images = images
        self._ui_port = ui_port
        self._tasks: dict[str, _Task] = {}
        super().__init__("ecs", _LOOK_EVERY_S, self.reconcile)

    def stop(self) -> None:
        """End every task."""
        super().stop()
        for task in self._tasks.values():
            self._end(task)

    def reconcile(self) -> None:
        """Start what is wanted and does not run, stop what runs and is not wanted: once."""
        services = {service.arn: service for service in list(ecs_backends[ACCOUNT][REGION].services.values())}
        wanted = {arn for arn, service in services.items() if service.status == "ACTIVE" and service.desired_count > 0}
        for arn in set(self._tasks) - wanted:
            self._end(self._tasks.pop(arn))
        for arn in wanted:
            self._look_after(services[arn])
        for arn, service in services.items():
            task = self._tasks.get(arn)
            service.running_count = 1 if task and task.process else 0
            service.pending_count = max(0, min(1, service.desired_count) - service.running_count)

    def _look_after(self, service: Any) -> None:
        task = self._tasks.get(service.arn)
        if task is None or task.task_definition != service.task_definition:
            if task is not None:
                self._end(task)  # before the new revision starts, which needs the same port
            task = self._tasks[service.arn] = _Task(service.task_definition)
        if task.process and task.process.poll() is not None:
            self._crashed(service, task)
        if task.process is None and self._world.clock.time() >= task.not_before_s:
            self._start(service, task)

    def _start(self, service: Any, task: _Task) -> None:
        definition: Any = ecs_backends[ACCOUNT][REGION].describe_task_definition(task.task_definition)
        container = definition.container_definitions[0]
        log = self._world.state_dir / "logs" / "ecs" / f"{service.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            spec = self._images.run_spec(container["image"])
            argv = container_argv(spec.argv, container)
            env = self._environment(spec, definition, container)
            task.process = self._world.processes.start(argv, env=env, cwd=spec.cwd, log=log)
        except (ImageError, ClientError, OSError) as error:
            self._back_off(task)
            logger.warning("(service %s) cannot start: %s", service.name, error)
            self._say(service, task, f"was unable to place a task. Reason: {error}")
            return
        task.started_at_s = self._world.clock.time()
        self._say(service, task, f"has started 1 tasks: {definition.family}:{definition.revision}, log {log.name}")

    def _crashed(self, service: Any, task: _Task) -> None:
        process, task.process = task.process, None
        code = self._world.processes.stop(process) if process else None
        if self._world.clock.time() - task.started_at_s > _HEALTHY_AFTER_S:
            task.crashes = 0
        self._back_off(task)
        logger.warning("(service %s) its container ended with exit code %s and is started again", service.name, code)
        self._say(service, task, f"stopped 1 running tasks: the container's process ended with exit code {code}")

    def _back_off(self, task: _Task) -> None:
        wait_s = min(_LONGEST_BACK_OFF_S, _FIRST_BACK_OFF_S * 2.0**task.crashes)
        task.crashes += 1
        task.not_before_s = self._world.clock.time() + wait_s

    def _end(self, task: _Task) -> None:
        if task.process:
            self._world.processes.stop(task.process, _STOP_GRACE_S)
            task.process = None

    def _say(self, service: Any, task: _Task, sentence: str) -> None:
        """As an event of the service, where `describe-services` shows it; a repeated one is said once."""
        if sentence in task.said:
            return
        task.said.add(sentence)
        logger.info("(service %s) %s", service.name, sentence)
        event = {"id": str(uuid4()), "createdAt": datetime.now(UTC), "message": f"(service {service.name}) {sentence}"}
        service.events = [event, *service.events][:_KEPT_EVENTS]

    def _environment(self, spec: RunSpec, definition: Any, container: Mapping[str, Any]) -> dict[str, str]:
        declared = {item["name"]: str(item["value"]) for item in container["environment"]}
        if container.get("secrets"):
            raise ImageError(
                f"container {container['name']} asks for secrets; the local AWS gives environment values only"
            )
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
            "HOME": str(self._world.state_dir),
            "PYTHONUNBUFFERED": "1",
            **spec.env,
            **declared,
            **self._aws(definition.task_role_arn, definition.family),
            "HOST": "127.0.0.1",
            "PORT": str(self._ui_port),
        }

    def _aws(self, role_arn: str | None, family: str) -> dict[str, str]:
        """Where AWS is and, if the task has a role, its credentials; without a role the task may do nothing."""
        environment = {"AWS_ENDPOINT_URL": self._world.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        if role_arn is None:
            return environment
        credentials = self._world.role_credentials(role_arn, f"ecs-{family}", "ecs-tasks.amazonaws.com")
        return {
            **environment,
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
        }


def container_argv(image_argv: list[str], container: Mapping[str, Any]) -> list[str]:
    """What runs: the container's entry point or else the image's, then the container's command."""
    entry_point = list(container.get("entryPoint") or image_argv)
    if Path(entry_point[0]).name in {"python", "python3"}:
        entry_point[0] = sys.executable
    return [*entry_point, *container.get("command", [])]
