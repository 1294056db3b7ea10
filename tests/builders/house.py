"""Every flow of the release package, wired as in production, over fakes."""

from dataclasses import dataclass, field

from release.adapters.schemas import JsonSchemas
from release.adapters.templates import JinjaTemplates
from release.contracts.aws_events import EcrImageAction, ObjectCreated
from release.contracts.operation import Operated
from release.contracts.steps import (
    ExecutionInput,
    LeasedStep,
    Planned,
    PlanStep,
    RolloutStep,
    Settled,
    Settlement,
    TurnStep,
)
from release.contracts.table import RolloutItem
from release.domain.phases import Phase
from release.domain.truth import ProbeAnswer, Verdict
from release.flows.aborting import Aborting
from release.flows.approving import Approving
from release.flows.baking import Baking
from release.flows.examining import Examining
from release.flows.explaining import Explaining
from release.flows.gate_records import gate_of
from release.flows.going_back import Choosing, Following, Starting
from release.flows.intake import Intake
from release.flows.operating import Operating
from release.flows.plan_review import PlanReview
from release.flows.planning import Planning
from release.flows.preflight import Preflighting
from release.flows.publishing import Publishing
from release.flows.registering import Registering
from release.flows.registration import Composer, Registrar
from release.flows.remembering import Remembering
from release.flows.removing import Removing
from release.flows.settling import Settling
from release.flows.shifting import Creating, Shifting
from release.flows.turns import Queue, Waiting
from release.flows.verifying import Verifying
from release.flows.watching import Watching
from tests.builders.artifacts import artifact
from tests.builders.records import CONFIG, IMAGE
from tests.fakes.artifacts import FakeArtifacts
from tests.fakes.aws import (
    FakeAlarms,
    FakeClock,
    FakeImages,
    FakeMachine,
    FakeMetrics,
    FakeNotices,
    FakePolicies,
    FakePrices,
    FakeProbes,
    FakeQuotas,
    FakeScaling,
    FakeServing,
    FakeSettings,
    FakeWaiters,
    FakeWakeUps,
)
from tests.fakes.examination import FakeRegistry, FakeSigners
from tests.fakes.table import FakeTable
from tests.fakes.upkeep import FakeDashboards, FakeInventory

ENDPOINT = "slipway-chat"
ROLE = "arn:aws:iam::123456789012:role/slipway-sagemaker-execution"
DIGEST = "sha256:" + "0" * 64


@dataclass
class House:
    """Every flow, wired as in production, over fakes."""

    table: FakeTable = field(default_factory=FakeTable)
    artifacts: FakeArtifacts = field(default_factory=FakeArtifacts)
    serving: FakeServing = field(default_factory=FakeServing)
    alarms: FakeAlarms = field(default_factory=FakeAlarms)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    scaling: FakeScaling = field(default_factory=FakeScaling)
    waiters: FakeWaiters = field(default_factory=FakeWaiters)
    wakeups: FakeWakeUps = field(default_factory=FakeWakeUps)
    probes: FakeProbes = field(default_factory=FakeProbes)
    machine: FakeMachine = field(default_factory=FakeMachine)
    images: FakeImages = field(default_factory=FakeImages)
    settings: FakeSettings = field(default_factory=FakeSettings)
    policies: FakePolicies = field(default_factory=FakePolicies)
    quotas: FakeQuotas = field(default_factory=FakeQuotas)
    prices: FakePrices = field(default_factory=FakePrices)
    notices: FakeNotices = field(default_factory=FakeNotices)
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    signers: FakeSigners = field(default_factory=FakeSigners)
    now: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        registrar, composer = Registrar(self.table, self.now), Composer(self.settings, CONFIG, self.now)
        self.intake = Intake(self.table, self.artifacts, self.machine, registrar, composer, IMAGE.partition("@")[0])
        self.registering = Registering(self.table, self.artifacts, registrar, composer, self.now)
        self.examining = Examining(
            self.table, self.artifacts, self.now, JinjaTemplates(), self.registry, self.signers, JsonSchemas()
        )
        self.publishing = Publishing(self.table, self.artifacts, self.now)
        review = PlanReview(self.table, self.quotas, self.prices, self.policies, self.now)
        self.planning = Planning(self.table, self.serving, self.images, "slipway", self.now, review)
        self.queue = Queue(self.table, self.waiters, self.now)
        self.aborting = Aborting(self.table, self.waiters, self.metrics, self.now)
        self.waiting = Waiting(self.table, self.queue, self.aborting, self.now)
        bucket = self.artifacts.bucket
        self.creating = Creating(self.table, self.serving, self.alarms, self.metrics, "slipway", bucket, ROLE, self.now)
        self.preflighting = Preflighting(
            self.table, self.serving, self.artifacts, self.probes, JsonSchemas(), "slipway", self.now
        )
        self.approving = Approving(self.table, self.waiters, self.policies, self.now)
        self.shifting = Shifting(self.table, self.serving, self.alarms, self.metrics, "slipway", self.now, self.scaling)
        self.watching = Watching(
            self.table,
            self.serving,
            self.metrics,
            self.probes,
            self.aborting,
            self.preflighting,
            Baking(self.table, self.metrics, self.probes, self.policies, "slipway", self.now),
            "slipway",
            self.now,
        )
        self.verifying = Verifying(self.table, self.serving, self.probes, "slipway", self.now)
        self.settling = Settling(
            self.table,
            self.serving,
            self.alarms,
            self.metrics,
            self.notices,
            self.queue,
            "slipway",
            self.now,
            self.scaling,
        )
        explaining = Explaining(self.table, self.serving, self.alarms, "slipway", self.now)
        remembering = Remembering(self.table, self.artifacts, self.now)
        inventory = FakeInventory(self.serving, self.alarms)
        self.dashboards = FakeDashboards()
        removing = Removing(
            self.table,
            self.serving,
            inventory,
            self.alarms,
            self.scaling,
            self.dashboards,
            "slipway",
            self.now,
        )
        self.operating = Operating(
            self.table,
            self.serving,
            self.queue,
            self.approving,
            self.aborting,
            explaining,
            remembering,
            "slipway",
            self.now,
            self.wakeups,
            removing,
        )
        self.choosing = Choosing(self.table, registrar, self.aborting, self.now)
        self.starting = Starting(self.table, self.machine)
        self.following = Following(self.table, self.now)

    def push(self, time: str = "2026-11-23T12:00:00Z", digest: str = DIGEST) -> tuple[str, ...]:
        detail = {"result": "SUCCESS", "action-type": "PUSH", "repository-name": "slipway-inference"}
        event = {"source": "aws.ecr", "detail-type": "ECR Image Action", "time": time}
        push = {**event, "detail": {**detail, "image-digest": digest, "image-tag": "release-1"}}
        return self.intake.receive_image(EcrImageAction.parse(push)).rollout_ids

    def drop(self, version: str = "v1", manifest: str = "{}") -> str | None:
        prefix = f"models/chat/{version}/"
        self.artifacts.objects |= {prefix + path: body for path, body in artifact(version).items()}
        self.artifacts.objects[prefix + "manifest.json"] = manifest.encode()
        return self.seal(prefix + "manifest.json")

    def seal(self, key: str, version_id: str = "7") -> str | None:
        uploaded = {"key": key, "size": 2, "etag": "e", "sequencer": "1", "version-id": version_id}
        detail = {"bucket": {"name": self.artifacts.bucket}, "object": uploaded}
        event = {"source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-23T12:00:00Z", "detail": detail}
        return self.intake.receive_artifact(ObjectCreated.parse(event)).rollout_id

    def planned(self, version: str = "v1") -> str:
        """A rollout up to its plan."""
        if self.table.newest_image() is None:
            self.push()
        rollout = self.drop(version)
        assert rollout is not None
        step = RolloutStep(endpoint="chat", rollout_id=rollout)
        assert self.examining.examine(step).verdict is Verdict.PASSED
        self.publishing.publish(step)
        self.plan(rollout)
        return rollout

    def plan(self, rollout_id: str, *, plan_only: bool = False) -> Planned:
        return self.planning.plan(PlanStep(endpoint="chat", rollout_id=rollout_id, plan_only=plan_only))

    def asks(self, rollout_id: str, token: str = "") -> str:
        """The rollout asks for its turn; returns the token that it waits with."""
        token = token or f"turn of {rollout_id}"
        self.waiting.await_turn(TurnStep(endpoint="chat", rollout_id=rollout_id, task_token=token))
        return token

    def leased(self, rollout_id: str) -> LeasedStep:
        """The rollout gets its turn at once."""
        answer = self.waiters.answers[self.asks(rollout_id)]
        return LeasedStep(endpoint="chat", rollout_id=rollout_id, lease_token=answer["leaseToken"])

    def created(self, version: str = "v1") -> LeasedStep:
        """A rollout up to its green."""
        step = self.leased(self.planned(version))
        self.creating.create(step)
        return step

    def shifted(self, version: str = "v1") -> LeasedStep:
        """A rollout whose traffic SageMaker moves."""
        step = self.created(version)
        self.shifting.shift(step)
        return step

    def baked(self, step: LeasedStep) -> None:
        """Green answers from now on, and its bake, if it has one, is judged to its end."""
        self.watching.watch(step)
        self.probes.answers[ENDPOINT] = ProbeAnswer(step.rollout_id.partition("-")[0], step.rollout_id, "")
        if gate_of(self.rollout(step), "bake"):
            return
        self.serving.bake(ENDPOINT)
        while gate_of(self.rollout(step), "bake") is None:
            self.watching.watch(step)
            self.now.forward(30)

    def live(self, version: str = "v1") -> LeasedStep:
        step = self.shifted(version)
        self.baked(step)
        self.serving.arrive(ENDPOINT)
        self.watching.watch(step)
        self.verifying.verify(step)
        assert self.settle(step, "live").phase is Phase.LIVE
        return step

    def settle(self, step: RolloutStep, outcome: str, error: str = "", cause: str = "") -> Settled:
        ask = {"endpoint": "chat", "rolloutId": step.rollout_id, "outcome": outcome, "error": error, "cause": cause}
        return self.settling.settle(
            Settlement.parse({**ask, "executionArn": self.rollout(step).execution_arn or "arn"})
        )

    def operate(self, verb: str, **more: str) -> Operated:
        reason = {} if verb == "why" else {"reason": "because"}
        ask = {"verb": verb, "endpoint": "chat", "actor": "ana", **reason, **more}
        return self.operating.operate(ExecutionInput(input=ask, execution_arn="arn:operate"))

    def rollout(self, step: RolloutStep) -> RolloutItem:
        found = self.table.rollout("chat", step.rollout_id)
        assert found is not None
        return found

    def config_name(self, step: RolloutStep) -> str:
        return f"{ENDPOINT}-{step.rollout_id}"
