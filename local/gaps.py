"""`python -m local.gaps` writes `local/GAPS.md`: what the embedded AWS emulates, only records, and refuses.

The lists come from the code that does it, so they cannot promise more than it does.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from botocore import xform_name

from local.alarm_rules import COMPARISONS
from local.autoscaling.service import AutoScaling
from local.cloudformation import api as cloudformation
from local.cloudformation.stack import STACK_TYPE
from local.cloudformation.types import EMULATED, RECORDED, REFUSED, made_by_moto
from local.iam.conditions import CONDITION_OPERATORS
from local.operations import RECORDED_SERVICES, Coverage, coverage, operations_of
from local.sagemaker.control.api import Api
from local.sagemaker.control.fields import kept_fields, refused_fields
from local.service_quotas import ServiceQuotas
from local.supervisor import Settings, Supervisor

PATH = Path(__file__).parent / "GAPS.md"

# Where an emulated service behaves otherwise than AWS does: service → sentences.
DIFFERENCES: dict[str, tuple[str, ...]] = {
    "All services": (
        "One account (123456789012), one region (us-east-1), one administrator (`local` / `local`).",
        "State lives in memory and in a scratch folder; with `--keep-state` it is written down at a clean end.",
        "Then executions end as ABORTED, and faults and what is on its way between services are forgotten.",
        "A deployment that such an end cuts off leaves the fleet that served before; endpoints start it again.",
        "The services that Slipway uses can be kept; with `--keep-state` every other is refused by name.",
        "Loopback counts as a protected transport: `aws:SecureTransport` is true.",
        "Bills, quotas of services other than SageMaker, and throttling do not exist; faults throttle.",
    ),
    "Application Auto Scaling": (
        "Variants of endpoints are scaled; targets of ECS, whose services run one task, are recorded; no others.",
        "Target tracking takes the capacity in proportion, rounded up; AWS does not publish all of its arithmetic.",
        "AlarmHigh needs 3 periods, AlarmLow 15 minutes below nine tenths of the target, as the alarms in AWS do.",
        "The service-linked role is made without asking for the right to; what it may do is an inline policy.",
        "Predictive scaling is refused.",
    ),
    "CloudFormation": (
        "Resources come one after the other, in the order of their references, by the administrator's right.",
        "A nested stack cleans up at the end of its own update, not of its parent's.",
        "What moto's models make is changed in place where `local/cloudformation/updates.py` can; else it is refused.",
        "A property of a moto model's resource that moto does not know has no effect.",
        "Custom resources ask functions, not topics; the answer goes to an address of this process instead of S3's.",
        "A stack's tags stay on the stack. RoleARN is kept and shown. Nested change sets are not made.",
        "Refused: macros, transforms other than SAM's, Rules, Hooks, CreationPolicy, UpdatePolicy.",
        "Refused: Snapshot, stack sets, stack policies, drift, imports, notifications, rollback triggers, time limits.",
        "Refused: an alias's routing, provisioned concurrency, and delivery policies of subscriptions.",
        "A stack that is in progress when the embedded AWS ends has failed after a restart with kept state.",
        "Refused: dynamic references to secrets; parameter types of the account other than SSM's and a few of EC2's.",
        "Python packages are not installed into function code; functions see the supervisor's own packages.",
    ),
    "CloudWatch": (
        "A period is evaluated one real second after its end, when every service has said what it measured.",
        "An alarm looks at two periods more than it evaluates; AWS does not say at how many it looks.",
        "Functions of expressions: ABS, AVG, CEIL, DIFF, FILL, FLOOR, IF, MAX, METRICS, MIN, PERIOD, RATE and SUM.",
        "Refused: anomaly detection, SEARCH, Metrics Insights, PromQL, trimmed statistics, suppressors of actions.",
        "Alarms notify topics, invoke functions and trigger scaling policies; other kinds of actions are refused.",
        "SageMaker, Lambda, Step Functions, EventBridge and SQS publish metrics; those of other services do not exist.",
        "Lambda counts invocations, errors, throttles, durations, concurrency and lost events; no ages of events.",
        "Step Functions counts executions and their times; EventBridge what a rule's targets took, lost or buried.",
        "SQS says what lies in a queue and how old it is; messages sent, received and deleted are not counted.",
        "Samples are kept as they came; AWS rolls them up with age.",
        "A log line in the embedded metric format counts at its own time, its age stretched by the clock's scale.",
    ),
    "ECR": (
        "An image is one layer of files without an operating system; its process runs with this machine's Python.",
    ),
    "ECS": (
        "A service runs one task, however many it wants, because one port serves one process.",
        "An update stops the old task before the new one starts.",
        "Only the task's first container runs. Health checks, limits and volumes have no effect; secrets are refused.",
        "The one load balancer is a name for the container's port; a stack does not keep its attributes.",
        "The container gets HOST 127.0.0.1 and that port as PORT, whatever its task definition says.",
        "Listeners, their certificates and logins, listener rules and target health decide nothing.",
        "A task's output goes to the scratch folder's `logs/ecs`, not to CloudWatch Logs.",
        "A task's role credentials come by environment and last as long as the task.",
    ),
    "EventBridge": (
        "Targets are functions, state machines, queues, topics and event buses; the others and archives are refused.",
        "An event that a target did not take is tried again after 1, 2, 4 … 300 AWS seconds, without jitter.",
        "A rule with a schedule fires once for all firings that came due while this process could not run.",
        "EventBridge Scheduler is refused; so are schedules with `LW`, and ranges that run backwards.",
    ),
    "IAM": (
        "Identity policies, permissions boundaries, session policies and trust policies are evaluated.",
        "So are the policies of buckets, queues, topics, keys, functions, repositories and event buses.",
        "Service control policies, VPC endpoint policies and NotPrincipal are not evaluated.",
        "The administrator may do whatever no policy of a resource denies, and assume every role that exists.",
        "A request that meets a policy element that is not evaluated is refused, and the element named.",
        "Signatures are not checked; the access key alone says who calls.",
        "A session ends when AssumeRole said, on the wall clock; one that a service took for itself never does.",
        "Session tags, session policies by ARN and identities from elsewhere are refused.",
        "`aws:CalledVia`, `aws:SourceVpc` and `aws:MultiFactorAuthPresent` are in no request.",
        "Keys of KMS are asked for by S3, SQS and SNS; tables, logs and functions need none.",
        "Other accounts do not exist: taking a role or reaching a resource of one is refused by name.",
    ),
    "Lambda": (
        "A function may take 60 real seconds to load; one that holds more memory of its own than its size is killed.",
        "A function reads AWS's clock when it takes an event, and real seconds from there.",
        "Time-outs of functions are real seconds, however fast the clock runs.",
        "Events come by EventBridge, by an SQS event source or by a call; SNS and S3 refuse to name a function.",
        "Event sources are standard queues without filters; streams and FIFO queues are refused.",
        "Log events carry the wall clock's time, and a wrong clock of a function makes no signature wrong.",
        "ClientContext of Invoke is refused.",
    ),
    "S3": (
        "EventBridge is told of `Object Created` alone.",
        "LastModified is of the embedded clock.",
        "Lifecycle rules and replication are kept and do nothing.",
        "CRC32, SHA1 and SHA256 are computed; CRC32C and CRC64NVME of a single put are believed and kept.",
    ),
    "SageMaker": (
        "Blue/green and rolling updates run; shadow variants and inference components are refused.",
        "What AWS does not document is a switch of `local/sagemaker/behaviour.py`, with both answers tested.",
        "A fleet's part of the traffic is spread over all its instances, a canary's too.",
        "SystemUpdating, OutOfService and an update that ends as Failed come by faults alone.",
        "A restart gives up an operation in progress, and leads UpdateRollbackFailed to the old config, InService.",
        "In UpdateRollbackFailed CurrentInstanceCount counts the instances of both configs, under the old one's name.",
        "An instance that leaves may finish its requests for 60 real seconds, which AWS does not promise.",
        "Then come SIGTERM and, 30 real seconds later, SIGKILL, as on AWS.",
        "Limits of requests, downloads and starts are real seconds, as containers are no faster than the machine.",
        "A session ends with its instance and expires by the wall clock, which is the clock of its container.",
        "Of the runtime's ways to aim, TargetVariant and SessionId work; models, hosts and components are refused.",
        "Bidirectional streams are refused, and the metrics that AWS counts of them alone do not exist.",
        "Metrics come within a second and carry their second, on AWS their minute; there are none of GPUs.",
        "Memory and disk of an instance are shares of this machine's.",
        "Lines of a container's log carry the wall clock's time, at which they were read.",
        "Instance types are names: every instance is a process on this machine.",
        "KMS keys, subnets and security groups are kept and not looked up.",
        "Images of other accounts or regions are refused.",
        "Quotas are 20 instances of each type and 40 in all; AWS gives a new account fewer, often none.",
        "Instances of one endpoint, endpoints and endpoint configs have a limit only where the settings give one.",
        "A variant with instance pools needs room in the quotas of its pools together.",
        "AWS has instances without end, or a given number of a type; Availability Zones play no part.",
    ),
    "Service Quotas": (
        "SageMaker's quotas for endpoints are there, and no others.",
        "An increase is always approved, and at once unless the settings say when.",
        "Quota codes are AWS's where they are known, which is 20 of them, and made up elsewhere.",
    ),
    "Step Functions": (
        "Standard machines run; express ones, distributed Map, versions, redrive and TestState are refused.",
        "A task that calls has its time-out in real seconds; one that waits for a token or a job, in AWS's.",
        "An Output that cannot be computed is caught, and never retried.",
        "Logging and tracing configurations are kept and do nothing.",
    ),
    "SNS": (
        "Queues and HTTP addresses receive; e-mail and SMS are kept and not sent; the others are refused.",
        "A topic reaches a queue whatever the queue's policy says.",
    ),
    "SQS": ("Visibility time-outs, delays and retention are real seconds, because what they bound is real work.",),
}


def text() -> str:
    """The whole file."""
    parts = [
        "# What the embedded AWS does, records and refuses",
        "Written by `python -m local.gaps` from the code; a test keeps it current. What is in no list is refused.",
        "## How it differs from AWS",
        *(f"### {service}\n\n{_bullets(sentences)}" for service, sentences in DIFFERENCES.items()),
        "## Resource types in a stack",
        "### Emulated\n\n" + _bullets(_code(sorted([STACK_TYPE, *EMULATED]))),
        "### Created by moto\n\nThey exist and can be described; what they do is what the service here does.\n\n"
        + ", ".join(_code(made_by_moto())),
        "### Recorded only\n\n" + _bullets(_meanings(RECORDED)),
        "### Refused\n\nEvery other type. By name, because they belong to a rollout and not to a stack here:\n\n"
        + _bullets(_code(REFUSED)),
        "## Operations\n\nEvery operation of botocore's model of the services that Slipway uses.",
        *map(_operations, covered()),
        "## Fields of SageMaker's requests",
        "### Fields that are kept and change nothing\n\n" + ", ".join(_code(kept_fields())),
        "### Fields and values that are refused\n\n" + ", ".join(_code(refused_fields())),
        "## Policy condition operators\n\nWith `IfExists`, `ForAllValues:` and `ForAnyValue:`.\n\n"
        + ", ".join(_code(CONDITION_OPERATORS)),
        "## Alarm comparisons\n\n" + ", ".join(_code(COMPARISONS)),
    ]
    return "\n\n".join(parts) + "\n"


def covered() -> list[Coverage]:
    """What becomes of each operation, asked of an embedded AWS that runs for the moment."""
    stacks = {name for name in vars(cloudformation.Api) if not name.startswith("_")}
    own = {
        "application-autoscaling": AutoScaling.OPERATIONS,
        "cloudformation": [name for name in operations_of("cloudformation") if xform_name(name) in stacks],
        "sagemaker": Api.OPERATIONS,
        "sagemaker-runtime": ("InvokeEndpoint", "InvokeEndpointWithResponseStream"),
        "service-quotas": ServiceQuotas.OPERATIONS,
    }
    supervisor = Supervisor(Settings(port=0))
    supervisor.start()
    try:
        return coverage(own)
    finally:
        supervisor.stop()


def _operations(one: Coverage) -> str:
    """One service's lists; the long one of what is refused stays folded."""
    total = len(one.emulated) + len(one.recorded) + len(one.refused)
    what = RECORDED_SERVICES.get(one.service)
    answered = f"Recorded only ({what})" if what else "Emulated"
    recorded = "; ".join(f"{name}: {meaning}" for name, meaning in sorted(one.recorded.items()))
    parts = [
        f"### `{one.service}`: {len(one.emulated)} of {total}",
        f"{answered}: {', '.join(one.emulated)}",
        *([f"Recorded only: {recorded}"] if recorded else []),
    ]
    if one.refused:
        summary = f"<summary>Refused: {len(one.refused)}</summary>"
        parts.append(f"<details>{summary}\n\n{', '.join(one.refused)}\n\n</details>")
    return "\n\n".join(parts)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _code(names: Iterable[str]) -> list[str]:
    return [f"`{name}`" for name in names]


def _meanings(recorded: Mapping[str, str]) -> list[str]:
    return [f"`{name}`: {meaning}" for name, meaning in sorted(recorded.items())]


if __name__ == "__main__":
    PATH.write_text(text())
