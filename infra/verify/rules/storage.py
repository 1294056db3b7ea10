"""Buckets, tables, topics, queues, logs and repositories."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.verify.rules.registry import Fault, Properties, as_list, at, names, of_type, rule, rule_of
from infra.verify.subjects import Subjects

_FSBP = "AWS Foundational Security Best Practices"
_KEPT = {"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::ECR::Repository", "AWS::KMS::Key", "AWS::Logs::LogGroup"}
_POLICY_OF = {
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
}


@rule("plain-transport-denied", "who speaks without TLS is denied", f"{_FSBP} S3.5, SNS and SQS security guides")
def _plain_transport(subjects: Subjects) -> Iterator[Fault]:
    for template, document in subjects.templates.items():
        for resource_type, (policy_type, field) in _POLICY_OF.items():
            for logical_id in of_type(document, resource_type):
                policies = of_type(document, policy_type).values()
                mine = [each for each in policies if names(each.get(field), logical_id)]
                if not any(_denies_plain(each) for each in mine):
                    yield Fault(f"{template}/{logical_id}", "no statement denies aws:SecureTransport false")


def _denies_plain(policy: Properties) -> bool:
    denied = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Deny"]
    return any(str(at(each, "Condition.Bool.aws:SecureTransport")).lower() == "false" for each in denied)


@rule_of("AWS::S3::Bucket", "bucket-is-private", "a bucket has one owner and no public access", f"{_FSBP} S3.8, S3.12")
def _bucket_private(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    block = properties.get("PublicAccessBlockConfiguration", {})
    wanted = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    if missing := [each for each in wanted if block.get(each) is not True]:
        yield f"not set: {', '.join(missing)}"
    rules = as_list(at(properties, "OwnershipControls.Rules"))
    if [each.get("ObjectOwnership") for each in rules] != ["BucketOwnerEnforced"]:
        yield "ObjectOwnership is not BucketOwnerEnforced"


@rule_of(
    "AWS::S3::Bucket", "bucket-never-forgets", "no rule of age deletes bytes that were released", "docs/architecture.md"
)
def _bucket_keeps(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    if at(properties, "VersioningConfiguration.Status") != "Enabled":
        yield "objects have no versions"
    for each in as_list(at(properties, "LifecycleConfiguration.Rules")):
        if ages := sorted(key for key in each if "Expiration" in key and not each.get("Prefix")):
            yield f"the lifecycle rule {each.get('Id')} has {', '.join(ages)} for every key"


@rule_of(
    "AWS::DynamoDB::Table", "table-can-be-restored", "a table is encrypted and can be restored", f"{_FSBP} DynamoDB.2"
)
def _table(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    if at(properties, "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled") is not True:
        yield "point-in-time recovery is off"
    if at(properties, "SSESpecification.SSEEnabled") is not True:
        yield "it is not encrypted with a key of KMS"


@rule_of("AWS::SNS::Topic", "topic-is-encrypted", "what a topic carries is encrypted", f"{_FSBP} SNS.1")
def _topic(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    key = properties.get("KmsMasterKeyId")
    if not key:
        yield "it has no key"
    elif key == "alias/aws/sns":
        yield "no alarm can publish under AWS's own key, whose policy names no CloudWatch"


@rule_of("AWS::SQS::Queue", "queue-is-encrypted", "what lies in a queue is encrypted", f"{_FSBP} SQS.1")
def _queue(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    if not (properties.get("SqsManagedSseEnabled") is True or properties.get("KmsMasterKeyId")):
        yield "it has neither a key nor SqsManagedSseEnabled"


@rule_of("AWS::Logs::LogGroup", "logs-end", "logs are kept for a stated time", f"{_FSBP} CloudWatch.16")
def _logs(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    if not properties.get("RetentionInDays"):
        yield "it has no RetentionInDays, so they are kept and billed for ever"


@rule_of(
    "AWS::ECR::Repository", "tags-do-not-move", "an image is what it was when it was pushed", f"{_FSBP} ECR.1, ECR.2"
)
def _repository(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    if properties.get("ImageTagMutability") != "IMMUTABLE":
        yield "its tags can be moved to other images"
    if at(properties, "ImageScanningConfiguration.ScanOnPush") is not True:
        yield "it does not scan what is pushed"


@rule("what-is-kept-is-said", "a resource with data says what becomes of them", "CloudFormation: DeletionPolicy")
def _kept(subjects: Subjects) -> Iterator[Fault]:
    for template, document in subjects.templates.items():
        for logical_id, each in document["Resources"].items():
            silent = sorted({"DeletionPolicy", "UpdateReplacePolicy"} - set(each))
            if each["Type"] in _KEPT and silent:
                yield Fault(f"{template}/{logical_id}", f"it has no {' and no '.join(silent)}")
