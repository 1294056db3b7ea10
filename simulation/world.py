"""The whole of Slipway's control plane and the AWS that it stands on, in one process and in virtual time."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from random import Random
from typing import Any

from release.domain.keys import Source, published_prefix
from release.errors import ReleaseError
from release.flows.drops import read_sealed
from release.flows.gates import ExamineGate
from simulation.alarms import Published, SimulatedAlarms, SimulatedMetrics
from simulation.executions import Execution, Executions, Result, failure
from simulation.faults import Calls, Latency, Port
from simulation.functions import handler_of
from simulation.judge import Judge
from simulation.serving import Fate, SimulatedProbes, SimulatedServing
from simulation.table import SimulatedTable
from simulation.timeline import CrashError, Invocation, Timeline
from simulation.upkeep import FakeDriftNews, SimulatedExecutions, SimulatedPushes, SimulatedUploads, sweeping_of
from tests.builders.artifacts import artifact
from tests.builders.house import House
from tests.builders.records import IMAGE

STACK = "slipway"
_COLD_START_S = 0.05
_FUNCTION_S: Mapping[str, float] = {"examine_artifact": 900, "publish_artifact": 900, "sweep_endpoint": 600}
_DEFAULT_FUNCTION_S = 60.0
_ASYNC_RETRIES_S = (60.0, 120.0)
"""Lambda runs a failed asynchronous invocation twice more, one and two minutes later.
Source: Lambda developer guide, "How Lambda handles errors and retries with asynchronous invocation"."""

_SWEEP_ATTEMPTS, _SWEEP_AGAIN_S = 120, 60.0

Tell = Callable[[str], None]


@dataclass
class SimulatedMachine:
    executions: Executions

    def start(self, endpoint: str, rollout_id: str) -> str:
        return self.executions.start("release", rollout_id, {"endpoint": endpoint, "rolloutId": rollout_id}).arn


@dataclass
class SimulatedWakeUps:
    executions: Executions

    def at(self, endpoint: str, instant: str) -> None:
        given = {"verb": "wake", "endpoint": endpoint, "at": instant, "actor": "a freeze", "reason": "its end has come"}
        self.executions.start("operate", f"wake-{endpoint}-{instant}", given)


@dataclass
class SimulatedWaiters:
    executions: Executions

    def succeed(self, task_token: str, answer: Mapping[str, Any]) -> bool:
        return self.executions.answer(task_token, Result(payload=dict(answer)))

    def fail(self, task_token: str, error: str, cause: str) -> bool:
        return self.executions.answer(task_token, Result(error=error, cause=cause))


@dataclass
class CheckedTemplates:
    """What the real check said of each template: the same few are checked a hundred thousand times."""

    real: Any
    known: dict[str, list[str]]

    def problems(self, source: str) -> list[str]:
        if source not in self.known:
            self.known[source] = self.real.problems(source)
        return self.known[source]


_TEMPLATES: dict[str, list[str]] = {}


@dataclass(frozen=True, slots=True)
class Dropped:
    """What somebody uploads.

    Args:
        files: by path; `manifest` seals them.
        late_s: the first file arrives so long after the seal.
    """

    endpoint: str
    version: str
    fate: Fate = Fate.GOOD
    marker: str = ""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    late_s: float = 0.0


class World:
    def __init__(self, rng: Random, tell: Tell | None = None) -> None:
        self.rng = rng
        self.story = tell
        self.timeline = Timeline()
        self.judge = Judge(self, STACK)
        self.calls = Calls(self.timeline, Latency(rng), self.tell, self.judge.called)
        self.executions = Executions(self.timeline, rng, self.invoke, self)
        self.running: set[Invocation] = set()
        self.received: set[str] = set()
        """Events that an intake function has answered without an error."""
        self._build()

    def _build(self) -> None:
        now_s, published = lambda: self.timeline.now_s, Published()
        self.table = SimulatedTable(self.judge.written, self.judge.lease_taken_away)
        self.alarms = SimulatedAlarms(published=published, now=now_s, rng=self.rng, stack=STACK)
        self.serving = SimulatedServing(alarms=self.alarms, rng=self.rng, now=now_s, tell=self.tell)
        real = {
            "table": self.table,
            "alarms": self.alarms,
            "serving": self.serving,
            "metrics": _Metrics(published=published, now=now_s, advance=self._advance),
            "probes": SimulatedProbes(serving=self.serving),
            "waiters": SimulatedWaiters(self.executions),
            "machine": SimulatedMachine(self.executions),
            "wakeups": SimulatedWakeUps(self.executions),
        }
        for port in fields(House):
            if port.name not in {*real, "now"}:
                real[port.name] = _fake_of(port)
        self.artifacts: Any = real["artifacts"]
        self.policies: Any = real["policies"]
        self.notices: Any = real["notices"]
        ports: dict[str, Any] = {name: Port(name, fake, self.calls) for name, fake in real.items()}
        wired: Any = House
        self.house = wired(**ports, now=self.timeline.clock)
        examining = self.house.examining
        templates = CheckedTemplates(examining.templates, _TEMPLATES)
        self.house.examining = ExamineGate(replace(examining, templates=templates))  # as `release.wiring` has it
        self._build_upkeep()

    def _build_upkeep(self) -> None:
        """The sweep sees the same world through ports of its own."""
        self.uploads = SimulatedUploads(self.artifacts)
        self.pushes = SimulatedPushes(clock=self.timeline.clock)
        self.news = FakeDriftNews()
        eyes = {
            "executions": SimulatedExecutions(self.executions),
            "uploads": self.uploads,
            "pushes": self.pushes,
            "news": self.news,
        }
        self.house.sweeping = sweeping_of(self.house, **{n: Port(n, fake, self.calls) for n, fake in eyes.items()})

    def _advance(self) -> None:
        """What SageMaker did before a heartbeat came does not change by it."""
        for name in list(self.serving.changes):
            self.serving.advance(name)

    # Telling -------------------------------------------------------------------------------------------------------

    def tell(self, sentence: str) -> None:
        if self.story:
            self.story(f"{self.timeline.now_s:10.3f} s  {sentence}")

    def transition(self, execution: Execution, state: str) -> None:
        if self.story:
            self.tell(f"{execution.arn.rpartition(':')[2]}: {state}")

    def failed(self, execution: Execution, state: str, result: Result) -> None:
        if self.story:
            self.tell(f"{execution.arn.rpartition(':')[2]}: {state} failed: {result.error} {result.cause}")
        self.judge.state_failed(execution, state, result)

    def ended(self, execution: Execution) -> None:
        if self.story:
            self.tell(f"{execution.arn.rpartition(':')[2]}: {execution.status} {execution.error} {execution.output}")
        self.judge.execution_ended(execution)

    # Functions -----------------------------------------------------------------------------------------------------

    def invoke(self, function: str, event: Any, done: Callable[[Result], None]) -> None:
        invocation: Invocation

        def finish(result: Result) -> None:
            if invocation in self.running:
                self.running.discard(invocation)
                done(result)

        def body() -> None:
            try:
                result = Result(payload=handler_of(function)(self.house, event))
            except CrashError:
                result = Result(error="Runtime.ExitError", cause="RequestId: 1 Error: Runtime exited")
            except Exception as error:  # noqa: BLE001 - as the Lambda runtime does: whatever it is, the machine hears its name
                if not isinstance(error, ReleaseError):
                    self.judge.died(function, error)
                result = failure(error)
            finish(result)

        invocation = Invocation(self.timeline, body, function=function, event=event)
        self.running.add(invocation)
        self.timeline.after(_COLD_START_S, invocation.go_on)
        self.timeline.after(_FUNCTION_S.get(function, _DEFAULT_FUNCTION_S), lambda: self._time_out(invocation, finish))

    def _time_out(self, invocation: Invocation, finish: Callable[[Result], None]) -> None:
        if invocation in self.running:
            finish(Result(error="Sandbox.Timedout", cause=json.dumps({"errorMessage": "Task timed out"})))
            invocation.kill()

    def deliver(self, function: str, event: Any, name: str, attempt: int = 0) -> None:
        """An event of AWS, delivered to its function as EventBridge and Lambda do it."""
        self.tell(f"{function} is given {name}")

        def done(result: Result) -> None:
            if not result.error:
                self.received.add(name)
                self.tell(f"{function} answers {result.payload}")
                return
            self.tell(f"{function} failed: {result.error} {result.cause}")
            if attempt < len(_ASYNC_RETRIES_S):
                wait_s = _ASYNC_RETRIES_S[attempt]
                self.timeline.after(wait_s, lambda: self.deliver(function, event, name, attempt + 1))

        self.invoke(function, event, done)

    # What people and AWS do ------------------------------------------------------------------------------------------

    def upload(self, drop: Dropped) -> dict[str, Any]:
        """Put the files there; returns the event of the seal."""
        prefix = f"models/{drop.endpoint}/{drop.version}/"
        files = artifact(drop.marker or drop.version)
        for path in drop.without:
            del files[path]
        manifest = dict(drop.manifest)
        late: dict[str, bytes] = {}
        if drop.late_s:
            manifest["files"] = [
                {"path": path, "sizeBytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
                for path, body in files.items()
            ]
            late = {"config.json": files.pop("config.json")}
        self.artifacts.objects |= {prefix + path: body for path, body in files.items()}
        seal = prefix + "manifest.json"
        self.artifacts.objects[seal] = json.dumps(manifest).encode()
        self.uploads.versions[seal], self.uploads.written_at[seal] = drop.version, self.timeline.clock()
        if late:
            arrive = {prefix + path: body for path, body in late.items()}
            self.timeline.after(drop.late_s, lambda: self.artifacts.objects.update(arrive))
        identity = read_sealed(self.artifacts, Source(prefix, self.artifacts.bucket)).artifact_id
        where = f"s3://{self.artifacts.bucket}/{published_prefix(identity)}"
        self.serving.fates.setdefault(where, drop.fate)
        if drop.without:
            self.judge.unsound.add(where)
        uploaded = {"key": seal, "size": 2, "etag": "e", "sequencer": "1", "version-id": drop.version}
        detail = {"bucket": {"name": self.artifacts.bucket}, "object": uploaded}
        return {"source": "aws.s3", "detail-type": "Object Created", "time": self.event_time(), "detail": detail}

    def push_event(self, digest: str, tag: str) -> dict[str, Any]:
        uri = IMAGE.partition("@")[0]
        repository = uri.partition("/")[2]
        self.pushes.push(f"{uri}@{digest}", tag)
        detail = {"result": "SUCCESS", "action-type": "PUSH", "repository-name": repository}
        detail |= {"image-digest": digest, "image-tag": tag}
        return {"source": "aws.ecr", "detail-type": "ECR Image Action", "time": self.event_time(), "detail": detail}

    def event_time(self) -> str:
        return self.timeline.clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    def sweep(self, endpoint: str, told: Callable[[Result], None], attempt: int = 0) -> None:
        """The sweep of one endpoint, with the retries of its machine."""

        def done(result: Result) -> None:
            if result.error and attempt < _SWEEP_ATTEMPTS:
                self.tell(f"the sweep of {endpoint} failed: {result.error} {result.cause}")
                self.timeline.after(_SWEEP_AGAIN_S, lambda: self.sweep(endpoint, told, attempt + 1))
                return
            self.tell(f"the sweep of {endpoint}: {result.error or result.payload}")
            told(result)

        self.invoke("sweep_endpoint", {"endpoint": endpoint, "dryRun": False, "graceSeconds": 86_400}, done)

    def rest(self, within_s: float) -> bool:
        """Let everything come to its end; whether it did."""
        return self.timeline.run(self.timeline.now_s + within_s)


def _fake_of(port: "Field[Any]") -> Any:
    if callable(port.default_factory):
        return port.default_factory()
    raise TypeError(f"the port {port.name} has no fake of its own in tests/builders/house.py")


@dataclass
class _Metrics(SimulatedMetrics):
    advance: Callable[[], None] = lambda: None

    def beat(self, rollout_id: str) -> None:
        self.advance()
        super().beat(rollout_id)

    def request_abort(self, rollout_id: str) -> None:
        self.advance()
        super().request_abort(rollout_id)
