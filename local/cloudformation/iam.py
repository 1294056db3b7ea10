"""Roles in a stack: moto 5.2.5 drops their attached policies, and an update changes nothing but the trust policy."""

import functools
import json
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, iam_backends

from local.cloudformation.resource import Made, Properties, ResourceType
from local.world import ACCOUNT, REGION, World


def _put_role(world: World, name: str, properties: Properties) -> Made:
    iam = world.client("iam")
    trust = json.dumps(properties["AssumeRolePolicyDocument"], default=str)
    settings = {
        "Description": properties.get("Description", ""),
        "MaxSessionDuration": int(properties.get("MaxSessionDuration", 3600)),
    }
    if name in {role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]}:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        iam.update_role(RoleName=name, **settings)
    else:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Path=properties.get("Path", "/"), **settings)
    _bound(iam, name, properties.get("PermissionsBoundary"))
    _tag(iam, name, {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])})
    _put_inline(
        iam, name, {policy["PolicyName"]: policy["PolicyDocument"] for policy in properties.get("Policies", [])}
    )
    _attach(iam, name, set(properties.get("ManagedPolicyArns", [])))
    role = iam.get_role(RoleName=name)["Role"]
    return Made(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


def _bound(iam: Any, name: str, policy_arn: str | None) -> None:
    if policy_arn:
        _know_aws_managed(policy_arn)
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=policy_arn)
    else:
        iam.delete_role_permissions_boundary(RoleName=name)


def _tag(iam: Any, name: str, wanted: dict[str, str]) -> None:
    if gone := {tag["Key"] for tag in iam.list_role_tags(RoleName=name)["Tags"]} - set(wanted):
        iam.untag_role(RoleName=name, TagKeys=sorted(gone))
    if wanted:
        iam.tag_role(RoleName=name, Tags=[{"Key": key, "Value": value} for key, value in wanted.items()])


def _put_inline(iam: Any, name: str, wanted: dict[str, Any]) -> None:
    for gone in set(iam.list_role_policies(RoleName=name)["PolicyNames"]) - set(wanted):
        iam.delete_role_policy(RoleName=name, PolicyName=gone)
    for policy, document in wanted.items():
        # IAM takes a policy without a version, moto does not; and one that YAML has read may be a date.
        text = json.dumps({"Version": "2012-10-17", **document}, default=str)
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=text)


def _attach(iam: Any, name: str, wanted: set[str]) -> None:
    attached = {policy["PolicyArn"] for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]}
    for arn in attached - wanted:
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    for arn in wanted - attached:
        _know_aws_managed(arn)
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)


def _know_aws_managed(arn: str) -> None:
    """moto knows none of AWS's own policies unless it loads them all, which takes seconds; most roles need one."""
    known = iam_backends[ACCOUNT]["aws"].managed_policies
    name = arn.rsplit("/", 1)[-1]
    if arn.startswith("arn:aws:iam::aws:policy/") and arn not in known and name in _aws_managed():
        policy = AWSManagedPolicy.from_data(name, ACCOUNT, REGION, _aws_managed()[name])
        known[policy.arn] = policy


@functools.cache
def _aws_managed() -> dict[str, Any]:
    policies: dict[str, Any] = json.loads(aws_managed_policies_data)
    return policies


def _drop_role(world: World, physical_id: str, _: Properties) -> None:
    iam = world.client("iam")
    _put_inline(iam, physical_id, {})
    _attach(iam, physical_id, set())
    iam.delete_role(RoleName=physical_id)


TYPES = {
    "AWS::IAM::Role": ResourceType(
        _put_role,
        _drop_role,
        lambda name, properties: (name, properties.get("Path", "/")),
        "RoleName",
        attributes="Arn|RoleId",
    ),
}
