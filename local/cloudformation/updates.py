"""Changes in place, through each service's API, of resources that moto's own models make.

moto 5.2.5 deletes and creates again what it should change: a topic would lose its subscriptions, a table its items.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local.cloudformation.resource import Properties
from local.world import World

# moto's own update of these types changes what is there.
CHANGED_BY_MOTO = frozenset(
    {
        "AWS::ECR::Repository",
        "AWS::ElasticLoadBalancingV2::Listener",
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        "AWS::KMS::Alias",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Logs::ResourcePolicy",
        "AWS::S3::Bucket",
    }
)


@dataclass(frozen=True)
class Change:
    properties: frozenset[str]
    """What it can change."""
    apply: Callable[[World, str, Properties], None]
    """(world, physical id, properties)."""


def _table(world: World, name: str, properties: Properties) -> None:
    dynamodb = world.client("dynamodb", validate=False)
    _unless_same(
        lambda: dynamodb.update_table(
            TableName=name,
            **_taken(
                properties,
                "AttributeDefinitions",
                "BillingMode",
                "ProvisionedThroughput",
                "DeletionProtectionEnabled",
            ),
            **_encryption(properties),
        )
    )
    if "TimeToLiveSpecification" in properties:
        _unless_same(
            lambda: dynamodb.update_time_to_live(
                TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"]
            )
        )
    recovery = properties.get("PointInTimeRecoverySpecification", {"PointInTimeRecoveryEnabled": False})
    dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)


def _unless_same(call: Callable[[], Any]) -> None:
    """DynamoDB refuses what would change nothing."""
    try:
        call()
    except ClientError as error:
        if "already" not in str(error):
            raise


def _encryption(properties: Properties) -> dict[str, Any]:
    """The API calls SSEEnabled Enabled."""
    if "SSESpecification" not in properties:
        return {}
    members = {
        ("Enabled" if key == "SSEEnabled" else key): item for key, item in properties["SSESpecification"].items()
    }
    return {"SSESpecification": members}


def _taken(properties: Properties, *names: str) -> dict[str, Any]:
    """These properties, of those given."""
    return {name: properties[name] for name in names if name in properties}


def _queue(world: World, url: str, properties: Properties) -> None:
    texts = {name: _attribute(value) for name, value in properties.items() if name in _QUEUE_ATTRIBUTES}
    world.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=texts)


_QUEUE_ATTRIBUTES = frozenset(
    {
        "DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds",
        "RedrivePolicy", "SqsManagedSseEnabled", "VisibilityTimeout", "KmsMasterKeyId",
    }
)  # fmt: skip


def _attribute(value: Any) -> str:
    return (
        str(value).lower() if isinstance(value, bool) else json.dumps(value) if isinstance(value, dict) else str(value)
    )


def _topic(world: World, arn: str, properties: Properties) -> None:
    for name in ("DisplayName", "KmsMasterKeyId"):
        world.client("sns").set_topic_attributes(
            TopicArn=arn, AttributeName=name, AttributeValue=str(properties.get(name, ""))
        )


def _log_group(world: World, name: str, properties: Properties) -> None:
    logs = world.client("logs")
    if "RetentionInDays" in properties:
        logs.put_retention_policy(logGroupName=name, retentionInDays=properties["RetentionInDays"])
    else:
        logs.delete_retention_policy(logGroupName=name)


def _rule(world: World, name: str, properties: Properties) -> None:
    events = world.client("events")
    bus = {"EventBusName": properties["EventBusName"]} if "EventBusName" in properties else {}
    rule = _taken(properties, "Description", "RoleArn", "ScheduleExpression", "State")
    if "EventPattern" in properties:
        rule["EventPattern"] = json.dumps(properties["EventPattern"])
    name = name.rsplit("/", 1)[-1]
    events.put_rule(Name=name, **bus, **rule)
    wanted = properties.get("Targets", [])
    known = {target["Id"] for target in events.list_targets_by_rule(Rule=name, **bus)["Targets"]}
    gone = known - {target["Id"] for target in wanted}
    if gone:
        events.remove_targets(Rule=name, Ids=sorted(gone), **bus)
    if wanted:
        events.put_targets(Rule=name, Targets=wanted, **bus)


def _parameter(world: World, name: str, properties: Properties) -> None:
    request = _taken(properties, "Type", "Value", "Description", "AllowedPattern", "Tier", "Policies", "DataType")
    world.client("ssm").put_parameter(Name=name, Overwrite=True, **request)


def _security_group(world: World, group_id: str, properties: Properties) -> None:
    ec2 = world.client("ec2", validate=False)
    group = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
    for direction, member, declared in (
        ("ingress", "IpPermissions", "SecurityGroupIngress"),
        ("egress", "IpPermissionsEgress", "SecurityGroupEgress"),
    ):
        if declared not in properties and direction == "egress":
            continue  # without a declaration the group keeps EC2's own rule, which lets everything out
        if group[member]:
            getattr(ec2, f"revoke_security_group_{direction}")(GroupId=group_id, IpPermissions=group[member])
        wanted = [_permission(rule) for rule in properties.get(declared, [])]
        if wanted:
            getattr(ec2, f"authorize_security_group_{direction}")(GroupId=group_id, IpPermissions=wanted)


def _permission(rule: Mapping[str, Any]) -> dict[str, Any]:
    described = {"Description": rule["Description"]} if "Description" in rule else {}
    permission = _taken(rule, "IpProtocol", "FromPort", "ToPort")
    if "CidrIp" in rule:
        permission["IpRanges"] = [{"CidrIp": rule["CidrIp"], **described}]
    group = rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")
    if group:
        permission["UserIdGroupPairs"] = [{"GroupId": group, **described}]
    return permission


_HEALTH_CHECK = (
    "HealthCheckEnabled", "HealthCheckIntervalSeconds", "HealthCheckPath", "HealthCheckPort", "HealthCheckProtocol",
    "HealthCheckTimeoutSeconds", "HealthyThresholdCount", "Matcher", "UnhealthyThresholdCount",
)  # fmt: skip


def _target_group(world: World, arn: str, properties: Properties) -> None:
    elb = world.client("elbv2", validate=False)
    elb.modify_target_group(TargetGroupArn=arn, **_taken(properties, *_HEALTH_CHECK))
    if attributes := properties.get("TargetGroupAttributes"):
        elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=attributes)


def _load_balancer(world: World, arn: str, properties: Properties) -> None:
    elb = world.client("elbv2")
    if attributes := properties.get("LoadBalancerAttributes"):
        elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
    if groups := properties.get("SecurityGroups"):
        elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=groups)
    if subnets := properties.get("Subnets"):
        elb.set_subnets(LoadBalancerArn=arn, Subnets=subnets)


def _ec2_tags(world: World, resource_id: str, properties: Properties) -> None:
    ec2 = world.client("ec2")
    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [resource_id]}])["Tags"]
    wanted = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    gone = [{"Key": tag["Key"]} for tag in found if tag["Key"] not in wanted and not tag["Key"].startswith("aws:")]
    if gone:
        ec2.delete_tags(Resources=[resource_id], Tags=gone)
    if wanted:
        ec2.create_tags(Resources=[resource_id], Tags=[{"Key": key, "Value": value} for key, value in wanted.items()])


def _change(apply: Callable[[World, str, Properties], None], *properties: str) -> Change:
    return Change(frozenset(properties), apply)


_TAGS = _change(_ec2_tags, "Tags")
IN_PLACE: dict[str, Change] = {
    "AWS::DynamoDB::Table": _change(
        _table, "AttributeDefinitions", "BillingMode", "DeletionProtectionEnabled", "PointInTimeRecoverySpecification",
        "ProvisionedThroughput", "SSESpecification", "TimeToLiveSpecification",
    ),
    "AWS::EC2::InternetGateway": _TAGS,
    "AWS::EC2::RouteTable": _TAGS,
    "AWS::EC2::SecurityGroup": _change(_security_group, "SecurityGroupEgress", "SecurityGroupIngress"),
    "AWS::EC2::Subnet": _TAGS,
    "AWS::EC2::VPC": _TAGS,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _change(
        _load_balancer, "LoadBalancerAttributes", "SecurityGroups", "Subnets"
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": _change(
        _target_group, "TargetGroupAttributes", *_HEALTH_CHECK,
    ),
    "AWS::Events::Rule": _change(
        _rule, "Description", "EventPattern", "RoleArn", "ScheduleExpression", "State", "Targets"
    ),
    "AWS::Logs::LogGroup": _change(_log_group, "RetentionInDays"),
    "AWS::SNS::Topic": _change(_topic, "DisplayName", "KmsMasterKeyId"),
    "AWS::SQS::Queue": _change(_queue, *_QUEUE_ATTRIBUTES),
    "AWS::SSM::Parameter": _change(
        _parameter, "AllowedPattern", "DataType", "Description", "Policies", "Tier", "Type", "Value"
    ),
}  # fmt: skip
