"""Is everything there that a release needs? Asked before the first one, and whenever something feels wrong."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from slipway.aws import Aws
from slipway.aws_errors import error_code, translated
from slipway.errors import AccessDeniedError, SlipwayError
from slipway.money import prices_of
from slipway.words import endpoint_names

if TYPE_CHECKING:
    from slipway.client import Slipway

_OUTPUTS = (
    "ArtifactBucketName",
    "ReleaseTableName",
    "ReleaseStateMachineArn",
    "RollbackStateMachineArn",
    "OperateStateMachineArn",
    "SweepStateMachineArn",
    "InferenceRepositoryUri",
)
_MACHINES = ("ReleaseStateMachineArn", "RollbackStateMachineArn", "OperateStateMachineArn", "SweepStateMachineArn")
_EXECUTION_ROLE = "SageMakerExecutionRole"
"""As template.yaml calls it; containers run with it."""
_INDEXES = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)


class Health(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be looked at; that is not the same as being well."""


@dataclass(frozen=True)
class Check:
    """`remedy` is what to do next; empty when nothing has to be done."""

    name: str
    health: Health
    says: str
    remedy: str = ""


@dataclass(frozen=True)
class Doctor:
    slipway: "Slipway"

    @property
    def aws(self) -> Aws:
        return self.slipway.aws

    def examine(self, endpoint: str) -> Iterator[Check]:
        """Check by check; those that need credentials or the stack are left out when these are missing."""
        for name, needed in (("credentials", self._credentials), ("stack", self._stack)):
            check = self._guarded(name, needed)
            yield check
            if check.health is Health.FAILED:
                return
        looks: dict[str, Callable[[], Check]] = {
            "machines": self._machines,
            "roles": self._roles,
            "bucket": self._bucket,
            "table": self._table,
            "image": self._image,
            "platform": self._platform,
            "driver": self._driver,
            "quota": lambda: self._quota(endpoint),
            "budget": lambda: self._budget(endpoint),
            "alarms": self._alarms,
            "undelivered": self._undelivered,
            "notifications": self._notifications,
            "signers": lambda: self._signers(endpoint),
        }
        for name, look in looks.items():
            yield self._guarded(name, look)

    def _guarded(self, name: str, look: Callable[[], Check]) -> Check:
        try:
            with translated():
                return look()
        except AccessDeniedError as error:
            return Check(name, Health.UNKNOWN, str(error), "ask for that permission, or let somebody look who has it")
        except SlipwayError as error:
            return Check(name, Health.FAILED, str(error))

    def _credentials(self) -> Check:
        who = self.aws.sts.get_caller_identity()["Arn"]
        return Check("credentials", Health.OK, f"{who} in {self.aws.region}")

    def _stack(self) -> Check:
        status = self.aws.stack_description["StackStatus"]
        missing = [name for name in _OUTPUTS if name not in self.aws.outputs()]
        if missing:
            return Check("stack", Health.FAILED, f"it has no output {missing[0]}", "deploy the current template.yaml")
        if not status.endswith("_COMPLETE") or "ROLLBACK" in status:
            return Check("stack", Health.WARNING, f"{self.aws.stack} is {status}", "look at its events; deploy again")
        return Check("stack", Health.OK, f"{self.aws.stack} is {status}")

    def _machines(self) -> Check:
        outputs = self.aws.outputs()
        for name in _MACHINES:
            found = self.aws.machines.describe_state_machine(stateMachineArn=outputs[name])
            if found.get("status", "ACTIVE") != "ACTIVE":
                return Check(
                    "machines", Health.FAILED, f"{found['name']} is {found['status']}", "deploy the stack again"
                )
        return Check("machines", Health.OK, f"{len(_MACHINES)} state machines can be started")

    def _roles(self) -> Check:
        """A role that lost its trust is noticed when an instance starts, minutes into a release."""
        outputs = self.aws.outputs()
        machines = [self.aws.machines.describe_state_machine(stateMachineArn=outputs[name]) for name in _MACHINES]
        wanted = {one["roleArn"].rpartition("/")[2]: "states.amazonaws.com" for one in machines}
        made = self.aws.cloudformation.describe_stack_resource(
            StackName=self.aws.stack, LogicalResourceId=_EXECUTION_ROLE
        )
        wanted[made["StackResourceDetail"].get("PhysicalResourceId", "")] = "sagemaker.amazonaws.com"
        wrong = [why for name, service in wanted.items() if (why := self._untrusting(name, service))]
        if wrong:
            return Check("roles", Health.FAILED, "; ".join(wrong), "deploy the stack again")
        return Check("roles", Health.OK, f"{len(wanted)} roles are there and trust the services that use them")

    def _untrusting(self, role: str, service: str) -> str:
        try:
            found: Any = self.aws.iam.get_role(RoleName=role)["Role"]
        except ClientError as error:
            if error_code(error) != "NoSuchEntity":
                raise
            return f"the role {role} is gone"
        said = found["AssumeRolePolicyDocument"].get("Statement", [])
        named = [one.get("Principal", {}).get("Service", []) for one in said if one.get("Effect") == "Allow"]
        trusted = {name for names in named for name in ([names] if isinstance(names, str) else names)}
        return "" if service in trusted else f"the role {role} does not trust {service}"

    def _bucket(self) -> Check:
        bucket = self.aws.outputs()["ArtifactBucketName"]
        if self.aws.s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            return Check("bucket", Health.FAILED, f"{bucket} keeps no versions", "deploy the stack again")
        if "EventBridgeConfiguration" not in self.aws.s3.get_bucket_notification_configuration(Bucket=bucket):
            return Check("bucket", Health.FAILED, f"{bucket} tells EventBridge of no upload", "deploy the stack again")
        return Check("bucket", Health.OK, f"{bucket} keeps versions and tells of uploads")

    def _table(self) -> Check:
        table = self.aws.dynamodb.describe_table(TableName=self.aws.outputs()["ReleaseTableName"])["Table"]
        health = Health.OK if table["TableStatus"] == "ACTIVE" else Health.WARNING
        return Check("table", health, f"{table['TableName']} is {table['TableStatus']}")

    def _image(self) -> Check:
        repository = self._repository()
        if (newest := self._newest_image()) is None:
            return Check(
                "image", Health.FAILED, f"{repository} has no image with a tag release-*", "push the inference image"
            )
        return Check("image", Health.OK, f"{newest['imageTags'][0]} of {repository}, {newest['imageDigest'][:19]}")

    def _platform(self) -> Check:
        """SageMaker's instances of the template's types run linux/amd64; only an index says what an image is for."""
        newest = self._newest_image()
        if newest is None:
            return Check("platform", Health.UNKNOWN, "there is no image yet")
        if newest.get("imageManifestMediaType") not in _INDEXES:
            return Check("platform", Health.UNKNOWN, "the image is no index, so its manifest names no platform")
        got = self.aws.ecr.batch_get_image(
            repositoryName=self._repository(), imageIds=[{"imageDigest": newest["imageDigest"]}]
        )
        manifests = json.loads(got["images"][0]["imageManifest"])["manifests"]
        platforms = [one["platform"] for one in manifests if "platform" in one]
        found = sorted({f"{one['os']}/{one['architecture']}" for one in platforms})
        if "linux/amd64" in found:
            return Check("platform", Health.OK, f"the image serves {', '.join(found)}")
        return Check("platform", Health.FAILED, f"the image serves {', '.join(found)}", "build it for linux/amd64")

    def _driver(self) -> Check:
        return Check(
            "driver",
            Health.UNKNOWN,
            "the image does not say which CUDA it needs, and no endpoint config says which driver it meets",
        )

    def _quota(self, endpoint: str) -> Check:
        """Blue and green stand side by side, so that a release needs its fleet twice."""
        kind, count = self._wished(endpoint)
        name = f"{kind} for endpoint usage"
        pages = self.aws.quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
        found = next((one for page in pages for one in page["Quotas"] if one["QuotaName"] == name), None)
        if found is None:
            return Check("quota", Health.UNKNOWN, f"Service Quotas lists no {name!r}")
        room = int(found["Value"])
        says = f"{name}: {room}; a fleet of {count} beside another needs {2 * count}"
        if room < count:
            return Check("quota", Health.FAILED, says, f"ask Service Quotas to raise {found['QuotaCode']}")
        if room < 2 * count:
            return Check("quota", Health.WARNING, says, f"the first release works; then raise {found['QuotaCode']}")
        return Check("quota", Health.OK, says)

    def _budget(self, endpoint: str) -> Check:
        budget = (self._settings(endpoint).get("policy") or {}).get("budget") or {}
        if "monthDollars" not in budget:
            name = endpoint_names(self.aws.stack, endpoint).settings_parameter
            return Check("budget", Health.WARNING, f"{endpoint} has no budget", f"set policy.budget in {name}")
        kind, count = self._wished(endpoint)
        month = prices_of(self.aws).of(kind) * count * 730
        says = f"{count} of {kind} cost ${month:,.2f} a month, the budget is ${Decimal(budget['monthDollars']):,.2f}"
        if month > Decimal(budget["monthDollars"]):
            return Check("budget", Health.FAILED, says, "choose smaller instances or raise the budget")
        return Check("budget", Health.OK, says)

    def _alarms(self) -> Check:
        pages = self.aws.cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{self.aws.stack}-")
        alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
        ringing = [alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM"]
        mute = [alarm["AlarmName"] for alarm in alarms if not alarm["ActionsEnabled"]]
        if ringing:
            return Check(
                "alarms", Health.FAILED, f"in alarm: {', '.join(ringing)}", "docs/runbooks has a page for each"
            )
        if not alarms or mute:
            what = f"actions are off: {', '.join(mute)}" if mute else f"none begins with {self.aws.stack}-"
            return Check("alarms", Health.WARNING, what, "deploy the stack again")
        return Check("alarms", Health.OK, f"{len(alarms)} alarms, none rings")

    def _undelivered(self) -> Check:
        queue = self.aws.sqs.get_queue_url(QueueName=f"{self.aws.stack}-undelivered-events")["QueueUrl"]
        asked = self.aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
        count = int(asked["Attributes"]["ApproximateNumberOfMessages"])
        if count:
            return Check("undelivered", Health.FAILED, f"{count} events reached no function", "slipway events list")
        return Check("undelivered", Health.OK, "every event reached its function")

    def _notifications(self) -> Check:
        who = self.aws.sts.get_caller_identity()["Arn"].split(":")
        topic = f"arn:{who[1]}:sns:{self.aws.region}:{who[4]}:{self.aws.stack}-notifications"
        pages = self.aws.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        arns = [one["SubscriptionArn"] for page in pages for one in page["Subscriptions"]]
        confirmed = [arn for arn in arns if arn.startswith("arn:")]
        if not confirmed:
            remedy = "deploy with NotificationEmail, and confirm the mail that SNS sends"
            return Check("notifications", Health.WARNING, "nobody is told when a rollout fails", remedy)
        return Check("notifications", Health.OK, f"{len(confirmed)} of {len(arns)} subscribers have confirmed")

    def _signers(self, endpoint: str) -> Check:
        name = f"/{self.aws.stack}/signers/{endpoint}"
        try:
            self.aws.ssm.get_parameter(Name=name)
        except ClientError as error:
            if error_code(error) != "ParameterNotFound":
                raise
            remedy = f"write the signers' public keys into {name}"
            return Check("signers", Health.WARNING, f"unsigned artifacts are accepted for {endpoint}", remedy)
        return Check("signers", Health.OK, f"artifacts for {endpoint} must be signed with a key in {name}")

    # -- what is wished

    def _wished(self, endpoint: str) -> tuple[str, int]:
        """Instance type and count of the endpoint's next release: its settings over the stack's parameters."""
        given = self.aws.stack_description.get("Parameters", [])
        parameters = {one["ParameterKey"]: one.get("ParameterValue", "") for one in given}
        settings = self._settings(endpoint)
        kinds = settings.get("instanceTypes") or parameters.get("InstanceTypes", "ml.g5.4xlarge").split(",")
        return kinds[0], int(settings.get("instanceCount") or parameters.get("InstanceCount", 1))

    def _settings(self, endpoint: str) -> dict[str, Any]:
        name = endpoint_names(self.aws.stack, endpoint).settings_parameter
        try:
            value = self.aws.ssm.get_parameter(Name=name)["Parameter"].get("Value", "{}")
        except ClientError as error:
            if error_code(error) == "ParameterNotFound":
                return {}
            raise
        settings: dict[str, Any] = json.loads(value)
        return settings

    def _repository(self) -> str:
        return self.aws.outputs()["InferenceRepositoryUri"].partition("/")[2]

    def _newest_image(self) -> Any:
        pages = self.aws.ecr.get_paginator("describe_images").paginate(repositoryName=self._repository())
        tagged = [
            image
            for page in pages
            for image in page["imageDetails"]
            if any(tag.startswith("release-") for tag in image.get("imageTags", []))
        ]
        return max(tagged, key=lambda image: image["imagePushedAt"], default=None)
