"""Stacks, resources, templates and change sets as the API describes them."""

import json
from collections.abc import Mapping
from typing import Any

from local.cloudformation import capabilities
from local.cloudformation.resource import StackResource
from local.cloudformation.stack import ChangeSet, Stack
from local.cloudformation.templates import Template

_CONSTRAINTS = ("AllowedValues",)
_UNCHECKED = {"DriftInformation": {"StackDriftStatus": "NOT_CHECKED"}}


def _given(**fields: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value not in {None, ""}}


def stack(described: Stack) -> dict[str, Any]:
    definition = described.definition
    return {
        "StackId": described.id,
        "StackName": described.name,
        "CreationTime": described.created,
        "StackStatus": described.status,
        "DisableRollback": described.disable_rollback,
        "EnableTerminationProtection": described.protected,
        "Outputs": described.outputs,
        "Parameters": definition.parameters.described() if definition else [],
        "Capabilities": sorted(definition.capabilities) if definition else [],
        "Tags": [{"Key": key, "Value": value} for key, value in definition.tags.items()] if definition else [],
        "NotificationARNs": [],
        "RollbackConfiguration": {},
        **_UNCHECKED,
        **_given(
            Description=definition.description if definition else "",
            StackStatusReason=described.reason,
            LastUpdatedTime=described.updated,
            DeletionTime=described.deleted,
            ChangeSetId=described.change_set_id,
            RoleARN=described.role_arn,
            ParentId=described.parent_id,
            RootId=described.root_id,
        ),
    }


def stack_summary(described: Stack) -> dict[str, Any]:
    return {
        "StackId": described.id,
        "StackName": described.name,
        "CreationTime": described.created,
        "StackStatus": described.status,
        **_UNCHECKED,
        **_given(
            TemplateDescription=described.definition.description if described.definition else "",
            StackStatusReason=described.reason,
            LastUpdatedTime=described.updated,
            DeletionTime=described.deleted,
            ParentId=described.parent_id,
            RootId=described.root_id,
        ),
    }


def _resource(described: StackResource) -> dict[str, Any]:
    return {
        "LogicalResourceId": described.logical_id,
        "PhysicalResourceId": described.physical_id,
        "ResourceType": described.type,
        "ResourceStatus": described.status,
        **_given(ResourceStatusReason=described.reason),
    }


def resource(owner: Stack, described: StackResource) -> dict[str, Any]:
    return {"StackId": owner.id, "StackName": owner.name, "Timestamp": described.at, **_resource(described)}


def resource_summary(described: StackResource) -> dict[str, Any]:
    return {"LastUpdatedTimestamp": described.at, **_resource(described)}


def resource_detail(owner: Stack, described: StackResource) -> dict[str, Any]:
    metadata = json.dumps(described.declaration["Metadata"]) if "Metadata" in described.declaration else ""
    return {
        "StackId": owner.id,
        "StackName": owner.name,
        "LastUpdatedTimestamp": described.at,
        **_resource(described),
        **_given(Metadata=metadata),
    }


def _declared(template: Template) -> dict[str, Any]:
    needed, reason = capabilities.required(template)
    return {
        "Capabilities": needed,
        "DeclaredTransforms": template.transforms,
        **_given(Description=template.document.get("Description", ""), CapabilitiesReason=reason),
    }


def _parameter(name: str, slot: Mapping[str, Any]) -> dict[str, Any]:
    default = slot.get("Default")
    return {
        "ParameterKey": name,
        "NoEcho": str(slot.get("NoEcho", "")).lower() == "true",
        **({"DefaultValue": str(default)} if default is not None else {}),
        **_given(Description=slot.get("Description", "")),
    }


def template_summary(template: Template) -> dict[str, Any]:
    parameters = [
        {
            **_parameter(name, slot),
            "ParameterType": slot["Type"],
            "ParameterConstraints": {key: [str(item) for item in slot[key]] for key in _CONSTRAINTS if key in slot},
        }
        for name, slot in template.section("Parameters").items()
    ]
    metadata = template.document.get("Metadata")
    return {
        **_declared(template),
        "Parameters": parameters,
        "ResourceTypes": sorted({item["Type"] for item in template.section("Resources").values()}),
        **_given(
            Version=template.document.get("AWSTemplateFormatVersion", ""),
            Metadata=json.dumps(metadata) if metadata else "",
        ),
    }


def validated_template(template: Template) -> dict[str, Any]:
    parameters = [_parameter(name, slot) for name, slot in template.section("Parameters").items()]
    return {**_declared(template), "Parameters": parameters}


def change_set_summary(described: ChangeSet) -> dict[str, Any]:
    return {
        "ChangeSetId": described.id,
        "ChangeSetName": described.name,
        "StackId": described.stack.id,
        "StackName": described.stack.name,
        "Status": described.status,
        "ExecutionStatus": described.execution_status,
        "CreationTime": described.created,
        "IncludeNestedStacks": False,
        **_given(StatusReason=described.reason, Description=described.description),
    }


def change_set(described: ChangeSet) -> dict[str, Any]:
    definition = described.definition
    return {
        **change_set_summary(described),
        "Parameters": definition.parameters.described(),
        "Capabilities": sorted(definition.capabilities),
        "Tags": [{"Key": key, "Value": value} for key, value in definition.tags.items()],
        "NotificationARNs": [],
        "RollbackConfiguration": {},
        **_given(OnStackFailure=described.on_failure),
    }
