"""Resource types that moto 5.2.5 skips in a stack: made through the service's own API, or written down only.

A type is *emulated* when its resource does its work here, *recorded* when a stack may hold it but nothing happens, and
refused by name otherwise; `local/GAPS.md` lists all three.
"""

import json
from typing import Any

from moto.cloudformation import parsing

from local.cloudformation import containers, functions, iam, scaling, state_machines
from local.cloudformation.custom import CustomType, is_custom
from local.cloudformation.nested import NestedStackType
from local.cloudformation.providers import ApiType, MotoType, RecordedType, deletes
from local.cloudformation.removals import REMOVALS
from local.cloudformation.resource import Made, Properties, Provider, ResourceType
from local.cloudformation.stack import STACK_TYPE
from local.cloudformation.stacks import Stacks
from local.world import ACCOUNT, REGION, World

# CloudWatch and SNS ---------------------------------------------------------------------------------------------------


def _put_alarm(world: World, name: str, properties: Properties) -> Made:
    world.client("cloudwatch").put_metric_alarm(**{**properties, "AlarmName": name})
    return Made(name, {"Arn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"})


def _put_composite_alarm(world: World, name: str, properties: Properties) -> Made:
    world.client("cloudwatch").put_composite_alarm(**{**properties, "AlarmName": name})
    return Made(name, {"Arn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"})


def _drop_alarm(world: World, physical_id: str, _: Properties) -> None:
    world.client("cloudwatch").delete_alarms(AlarmNames=[physical_id])


def _put_subscription(world: World, _: str, properties: Properties) -> Made:
    attributes = {
        key: _text(properties[key])
        for key in ("RawMessageDelivery", "FilterPolicyScope", "FilterPolicy", "RedrivePolicy")
        if key in properties
    }
    subscribed = world.client("sns").subscribe(
        TopicArn=properties["TopicArn"],
        Protocol=properties["Protocol"],
        Endpoint=properties["Endpoint"],
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )
    return Made(subscribed["SubscriptionArn"], {"Arn": subscribed["SubscriptionArn"]})


def _drop_subscription(world: World, physical_id: str, _: Properties) -> None:
    world.client("sns").unsubscribe(SubscriptionArn=physical_id)


def _put_topic_policy(world: World, name: str, properties: Properties) -> Made:
    for topic in properties["Topics"]:
        world.client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=_text(properties["PolicyDocument"])
        )
    return Made(name)


def _drop_topic_policy(world: World, _: str, properties: Properties) -> None:
    sns = world.client("sns")
    existing = {topic["TopicArn"] for topic in sns.list_topics()["Topics"]}
    for topic in existing.intersection(properties["Topics"]):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=_policy_of_new_topic(topic))


def _policy_of_new_topic(topic: str) -> str:
    """Its owner's account may do everything with it, as with every topic that nobody gave a policy."""
    actions = ("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic")
    more = ("Subscribe", "ListSubscriptionsByTopic", "Publish")
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in (*actions, *more)],
        "Resource": topic,
        "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})


# Queues, buckets -------------------------------------------------------------------------------------------


def _put_queue_policy(world: World, name: str, properties: Properties) -> Made:
    for queue in properties["Queues"]:
        world.client("sqs").set_queue_attributes(
            QueueUrl=queue, Attributes={"Policy": _text(properties["PolicyDocument"])}
        )
    return Made(name)


def _drop_queue_policy(world: World, _: str, properties: Properties) -> None:
    sqs = world.client("sqs")
    existing = {url.rsplit("/", 1)[-1] for url in sqs.list_queues().get("QueueUrls", [])}
    for queue in properties["Queues"]:
        if queue.rsplit("/", 1)[-1] in existing:
            sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})


def _put_bucket_policy(world: World, _: str, properties: Properties) -> Made:
    bucket = properties["Bucket"]
    world.client("s3").put_bucket_policy(Bucket=bucket, Policy=_text(properties["PolicyDocument"]))
    return Made(bucket)


def _drop_bucket_policy(world: World, physical_id: str, _: Properties) -> None:
    s3 = world.client("s3")
    if physical_id in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.delete_bucket_policy(Bucket=physical_id)


EMULATED: dict[str, ResourceType] = {
    "AWS::CloudWatch::Alarm": ResourceType(_put_alarm, _drop_alarm, lambda name, _: name, "AlarmName"),
    "AWS::CloudWatch::CompositeAlarm": ResourceType(
        _put_composite_alarm, _drop_alarm, lambda name, _: name, "AlarmName"
    ),
    "AWS::SNS::Subscription": ResourceType(
        _put_subscription,
        _drop_subscription,
        lambda _, properties: json.dumps(dict(properties), sort_keys=True, default=str),
        refuses=frozenset({"DeliveryPolicy", "ReplayPolicy", "SubscriptionRoleArn"}),
    ),
    "AWS::SNS::TopicPolicy": ResourceType(
        _put_topic_policy, _drop_topic_policy, lambda _, properties: sorted(properties["Topics"])
    ),
    "AWS::SQS::QueuePolicy": ResourceType(
        _put_queue_policy, _drop_queue_policy, lambda _, properties: sorted(properties["Queues"])
    ),
    "AWS::S3::BucketPolicy": ResourceType(
        _put_bucket_policy, _drop_bucket_policy, lambda _, properties: properties["Bucket"]
    ),
    **containers.TYPES,
    **functions.TYPES,
    **iam.TYPES,
    **scaling.TYPES,
    **state_machines.TYPES,
}

# What a stack may hold although nothing here acts on it, each with what that means.
RECORDED: dict[str, str] = {
    "AWS::CodeBuild::Project": "no build runs",
    "AWS::CodePipeline::Pipeline": "no pipeline runs",
    "AWS::EC2::FlowLog": "no packet is logged",
    "AWS::EC2::VPCEndpoint": "processes reach the local address directly",
    "AWS::Logs::MetricFilter": "its pattern is matched with no line; lines in the embedded metric format make metrics",
    "AWS::Logs::QueryDefinition": "no query is saved",
    "AWS::SageMaker::ModelPackageGroup": "no registry of model packages",
    "AWS::WAFv2::LoggingConfiguration": "requests are not inspected",
    "AWS::WAFv2::WebACL": "requests are not inspected",
    "AWS::WAFv2::WebACLAssociation": "requests are not inspected",
    "AWS::ServiceDiscovery::PrivateDnsNamespace": "names are not resolved",
}

# moto would keep these in a SageMaker of its own that nothing else sees, so they are refused.
REFUSED = ("AWS::SageMaker::Endpoint", "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Model")


# moto's own pattern for a type that is still to be written.
_NO_TYPE = "AWS::SERVICE::RESOURCE"


def made_by_moto() -> list[str]:
    """The types that moto's own models make and that can be deleted again."""
    ours = {STACK_TYPE, *EMULATED, *RECORDED, *REFUSED, _NO_TYPE}
    return sorted(
        name
        for name, model in parsing.get_model_map().items()
        if name.startswith("AWS::") and name not in ours and (name in REMOVALS or deletes(model))
    )


class ResourceTypes:
    """How each type's resources come and go."""

    def __init__(self, world: World, stacks: Stacks) -> None:
        self._world = world
        models = parsing.get_model_map()
        self._providers: dict[str, Provider] = {name: MotoType(world, name, models[name]) for name in made_by_moto()}
        self._providers |= {name: ApiType(world, name, deeds) for name, deeds in EMULATED.items()}
        self._providers |= {name: RecordedType(name) for name in RECORDED}
        self._providers[STACK_TYPE] = NestedStackType(world, stacks)

    def provider(self, resource_type: str) -> Provider:
        return CustomType(self._world, resource_type) if is_custom(resource_type) else self._providers[resource_type]

    def __contains__(self, resource_type: object) -> bool:
        return is_custom(resource_type) or resource_type in self._providers


def stacks_of(world: World) -> Stacks:
    """An account without stacks."""
    return Stacks(world, lambda stacks: ResourceTypes(world, stacks))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
