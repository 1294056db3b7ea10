"""The one place that reads the environment, builds clients and knows which adapter serves which port.

Nothing is built before a handler asks for it, and everything is built once per process.
"""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.httpsession import URLLib3Session

from release.adapters.alarms import CloudWatchAlarms
from release.adapters.artifacts import S3ArtifactStore
from release.adapters.drift_news import EventsAndNotices
from release.adapters.events import EventBridgeEvents
from release.adapters.executions import StepFunctionsExecutions
from release.adapters.images import EcrImages
from release.adapters.inventory import AwsInventory
from release.adapters.machine import StepFunctionsMachine, StepFunctionsWakeUps
from release.adapters.metrics import CloudWatchMetrics
from release.adapters.notices import SnsNotices
from release.adapters.prices import SsmPrices
from release.adapters.probes import RuntimeProbes
from release.adapters.pushes import EcrPushes
from release.adapters.quotas import AccountQuotas
from release.adapters.registry import EcrRegistry
from release.adapters.scaling import VariantScaling
from release.adapters.serving import SageMakerServing
from release.adapters.settings import SsmSettings
from release.adapters.signers import SsmSigners
from release.adapters.stack_answers import StackAnswers
from release.adapters.table import DynamoReleaseTable
from release.adapters.uploads import S3Uploads
from release.adapters.waiters import StepFunctionsWaiters
from release.contracts.sweep import ReportStep, SweepReport
from release.contracts.table import RolloutItem
from release.domain.phases import Phase
from release.flows.aborting import Aborting
from release.flows.approving import Approving
from release.flows.baking import Baking
from release.flows.building import Where
from release.flows.collecting import Collecting
from release.flows.drifting import Drifting, Ground
from release.flows.examining import Examining
from release.flows.explaining import Explaining
from release.flows.gates import ExamineGate
from release.flows.going_back import Choosing, Following, Starting
from release.flows.intake import TAG_PREFIX, Intake
from release.flows.operating import Operating
from release.flows.orphans import Orphans
from release.flows.plan_review import PlanReview
from release.flows.planning import Planning
from release.flows.preflight import Preflighting
from release.flows.publishing import Publishing
from release.flows.recovering import Recovering
from release.flows.registering import Registering
from release.flows.registration import Composer, Registrar
from release.flows.remembering import Remembering
from release.flows.removing import Removing
from release.flows.settling import Settling
from release.flows.shifting import Creating, Shifting
from release.flows.sweeping import FindingWork, Sweeping, report
from release.flows.tearing_down import TearingDown
from release.flows.turns import Queue, Waiting
from release.flows.verifying import Verifying
from release.flows.watching import Watching

# The machines retry whole steps; a client's own patience only bridges a hiccup. The read time-out fits an answer of the
# endpoint, which SageMaker ends after 60 s.
_CLIENT = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=65)
# A second try of an answer that took too long would outlast the function that asks.
_RUNTIME = _CLIENT.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


def _now() -> datetime:
    return datetime.now(UTC)


@cache
def _client(service: str) -> Any:
    return boto3.client(service, config=_CLIENT)  # type: ignore[call-overload]  # the stubs want a literal


def _stack() -> str:
    return os.environ["STACK_NAME"]


@cache
def _table() -> DynamoReleaseTable:
    return DynamoReleaseTable(_client("dynamodb"), table=os.environ["RELEASE_TABLE"], tell=_tell)


def _tell(rollout: RolloutItem, phase: Phase, reason: str) -> None:
    from release.adapters.measures import EmbeddedMeasures  # noqa: PLC0415 - imported when the first phase changes

    EmbeddedMeasures(stack=_stack(), now=_now).phase_changed(rollout, phase)
    _events().phase_changed(rollout, phase, reason)


@cache
def _events() -> EventBridgeEvents:
    return EventBridgeEvents(_client("events"), stack=_stack())


@cache
def _artifacts() -> S3ArtifactStore:
    return S3ArtifactStore(_client("s3"), bucket=os.environ["ARTIFACT_BUCKET"])


@cache
def _machine() -> StepFunctionsMachine:
    return StepFunctionsMachine(_client("stepfunctions"), machine_arn=os.environ["RELEASE_MACHINE_ARN"])


@cache
def _serving() -> SageMakerServing:
    return SageMakerServing(_client("sagemaker"))


@cache
def _probes() -> RuntimeProbes:
    return RuntimeProbes(boto3.client("sagemaker-runtime", config=_RUNTIME))


@cache
def _schemas() -> Any:
    from release.adapters.schemas import JsonSchemas  # noqa: PLC0415 - imports that two functions alone need

    return JsonSchemas()


@cache
def _alarms() -> CloudWatchAlarms:
    return CloudWatchAlarms(_client("cloudwatch"))


@cache
def _metrics() -> CloudWatchMetrics:
    return CloudWatchMetrics(_client("cloudwatch"), _now)


@cache
def _scaling() -> VariantScaling:
    return VariantScaling(_client("application-autoscaling"))


@cache
def _waiters() -> StepFunctionsWaiters:
    return StepFunctionsWaiters(_client("stepfunctions"))


@cache
def _settings() -> SsmSettings:
    return SsmSettings(_client("ssm"), stack=_stack())


@cache
def _queue() -> Queue:
    return Queue(_table(), _waiters(), _now)


@cache
def _aborting() -> Aborting:
    return Aborting(_table(), _waiters(), _metrics(), _now)


@cache
def _registrar() -> Registrar:
    return Registrar(_table(), _now)


@cache
def _composer() -> Composer:
    return Composer(_settings(), json.loads(os.environ["DEFAULT_CONFIG"]), _now)


@cache
def intake() -> Intake:
    return Intake(_table(), _artifacts(), _machine(), _registrar(), _composer(), os.environ["INFERENCE_REPOSITORY_URI"])


@cache
def registering() -> Registering:
    return Registering(_table(), _artifacts(), _registrar(), _composer(), _now)


@cache
def examining() -> ExamineGate:
    from release.adapters.templates import JinjaTemplates  # noqa: PLC0415 - 50 ms of imports, for this function alone

    registry, signers = EcrRegistry(_client("ecr")), SsmSigners(_client("ssm"), stack=_stack())
    return ExamineGate(Examining(_table(), _artifacts(), _now, JinjaTemplates(), registry, signers, _schemas()))


@cache
def publishing() -> Publishing:
    return Publishing(_table(), _artifacts(), _now)


@cache
def planning() -> Planning:
    quotas, prices = AccountQuotas(_client("service-quotas")), SsmPrices(_client("ssm"), stack=_stack())
    review = PlanReview(_table(), quotas, prices, _settings(), _now)
    return Planning(_table(), _serving(), EcrImages(_client("ecr")), _stack(), _now, review)


@cache
def waiting() -> Waiting:
    return Waiting(_table(), _queue(), _aborting(), _now)


@cache
def creating() -> Creating:
    bucket, role = os.environ["ARTIFACT_BUCKET"], os.environ["EXECUTION_ROLE_ARN"]
    return Creating(_table(), _serving(), _alarms(), _metrics(), _stack(), bucket, role, _now)


@cache
def preflighting() -> Preflighting:
    return Preflighting(_table(), _serving(), _artifacts(), _probes(), _schemas(), _stack(), _now)


@cache
def _baking() -> Baking:
    return Baking(_table(), _metrics(), _probes(), _settings(), _stack(), _now)


@cache
def approving() -> Approving:
    return Approving(_table(), _waiters(), _settings(), _now)


@cache
def shifting() -> Shifting:
    return Shifting(_table(), _serving(), _alarms(), _metrics(), _stack(), _now, _scaling())


@cache
def watching() -> Watching:
    return Watching(_table(), _serving(), _metrics(), _probes(), _aborting(), preflighting(), _baking(), _stack(), _now)


@cache
def verifying() -> Verifying:
    return Verifying(_table(), _serving(), _probes(), _stack(), _now)


@cache
def _notices() -> SnsNotices:
    return SnsNotices(_client("sns"), topic_arn=os.environ["NOTIFICATION_TOPIC_ARN"])


@cache
def settling() -> Settling:
    return Settling(_table(), _serving(), _alarms(), _metrics(), _notices(), _queue(), _stack(), _now, _scaling())


@cache
def operating() -> Operating:
    wakeups = StepFunctionsWakeUps(_client("stepfunctions"), machine_arn=os.environ["OPERATE_MACHINE_ARN"])
    explaining = Explaining(_table(), _serving(), _alarms(), _stack(), _now)
    removing = Removing(_table(), _serving(), _inventory(), _alarms(), _scaling(), _stack(), _now)
    remembering = Remembering(_table(), _artifacts(), _now)
    return Operating(
        _table(),
        _serving(),
        _queue(),
        approving(),
        _aborting(),
        explaining,
        remembering,
        _stack(),
        _now,
        wakeups,
        removing,
    )


@cache
def _uploads() -> S3Uploads:
    return S3Uploads(_client("s3"), bucket=os.environ["ARTIFACT_BUCKET"])


@cache
def _pushes() -> EcrPushes:
    return EcrPushes(_client("ecr"), repository_uri=os.environ["INFERENCE_REPOSITORY_URI"], tag_prefix=TAG_PREFIX)


@cache
def _executions() -> StepFunctionsExecutions:
    return StepFunctionsExecutions(_client("stepfunctions"), machine_arn=os.environ["RELEASE_MACHINE_ARN"])


@cache
def _inventory() -> AwsInventory:
    return AwsInventory(_client("sagemaker"), _client("cloudwatch"))


@cache
def _drifting() -> Drifting:
    images = EcrImages(_client("ecr"))
    ground = Ground(
        _serving(),
        _inventory(),
        _alarms(),
        _metrics(),
        _artifacts(),
        _uploads(),
        images=images,
        pushes=_pushes(),
        scaling=_scaling(),
    )
    where = Where(os.environ["ARTIFACT_BUCKET"], os.environ["EXECUTION_ROLE_ARN"])
    return Drifting(_table(), ground, EventsAndNotices(_events(), _notices()), _stack(), where, _now)


@cache
def finding_work() -> FindingWork:
    return FindingWork(_table(), _uploads(), _executions(), _pushes(), _now)


@cache
def sweeping() -> Sweeping:
    orphans = Orphans(_table(), _executions(), _machine(), settling(), verifying(), _queue(), _now)
    recovering = Recovering(_table(), _uploads(), _pushes(), intake(), _now)
    collecting = Collecting(_table(), _serving(), _inventory(), _alarms(), _settings(), _stack(), _now)
    return Sweeping(orphans, recovering, _drifting(), collecting)


@cache
def choosing() -> Choosing:
    return Choosing(_table(), _registrar(), _aborting(), _now)


@cache
def starting() -> Starting:
    return Starting(_table(), _machine())


@cache
def following() -> Following:
    return Following(_table(), _now)


@cache
def tearing_down() -> TearingDown:
    return TearingDown(_table(), _serving(), _stack())


@cache
def stack_answers() -> StackAnswers:
    return StackAnswers(URLLib3Session())


def reporting() -> Callable[[ReportStep], SweepReport]:
    return report
