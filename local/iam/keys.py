"""The condition keys that a request carries, service by service.

Source: the "Condition keys" table of each service in the Service Authorization Reference.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from local.iam.conditions import Value
from local.world import ACCOUNT, REGION

Parameters = Mapping[str, Any]
Keys = dict[str, Value]

_EQUALS = re.compile(r"(#?\w+)\s*=\s*(:\w+)")


def request_keys(service: str, operation: str, parameters: Parameters) -> Keys:
    """Condition keys of a request to a service other than S3.

    Args:
        service: boto3's name of the service.
        parameters: the request's parameters as the API spells them.
    """
    read = _KEYS.get(service)
    return tag_keys(parameters) | (read(operation, parameters) if read else {})


def tag_keys(parameters: Parameters) -> Keys:
    """`aws:RequestTag/<key>` and `aws:TagKeys`, however the service spells its tags."""
    tags = _tags(parameters)
    named = parameters.get("TagKeys") or parameters.get("tagKeys") or list(tags)
    keys: Keys = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
    return keys | ({"aws:TagKeys": [str(name) for name in named]} if named else {})


def _tags(parameters: Parameters) -> dict[str, str]:
    given = parameters.get("Tags") or parameters.get("tags") or {}
    if isinstance(given, Mapping):
        return {str(name): str(value) for name, value in given.items()}
    fields = [{name.lower().removeprefix("tag"): str(value) for name, value in tag.items()} for tag in given]
    return {tag["key"]: tag.get("value", "") for tag in fields}


def _present(parameters: Parameters, **names: str) -> Keys:
    """Args:
    names: parameter → condition key; a `__` in the key is its colon's place.
    """
    found = {
        key.replace("__", ":"): parameters[name] for name, key in names.items() if parameters.get(name) is not None
    }
    return {key: [*map(str, value)] if isinstance(value, list) else _said(value) for key, value in found.items()}


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cloudwatch(_: str, parameters: Parameters) -> Keys:
    return _present(parameters, Namespace="cloudwatch__namespace", AlarmActions="cloudwatch__AlarmActions")


def _lambda(operation: str, parameters: Parameters) -> Keys:
    if operation == "AddPermission":
        return _present(parameters, Principal="lambda__Principal")
    if operation.endswith("EventSourceMapping") and parameters.get("FunctionName"):
        name = str(parameters["FunctionName"])
        arn = name if name.startswith("arn:") else f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        return {"lambda:FunctionArn": arn}
    return {}


def _iam(_: str, parameters: Parameters) -> Keys:
    return _present(parameters, PolicyArn="iam__PolicyARN", PermissionsBoundary="iam__PermissionsBoundary")


def _sns(_: str, parameters: Parameters) -> Keys:
    return _present(parameters, Protocol="sns__Protocol", Endpoint="sns__Endpoint")


def _sts(_: str, parameters: Parameters) -> Keys:
    return _present(parameters, RoleSessionName="sts__RoleSessionName", ExternalId="sts__ExternalId")


def _ssm(_: str, parameters: Parameters) -> Keys:
    return _present(parameters, Overwrite="ssm__Overwrite", Recursive="ssm__Recursive")


def _events(operation: str, parameters: Parameters) -> Keys:
    if operation == "PutEvents":
        entries = parameters.get("Entries", [])
        return {
            "events:source": [str(entry.get("Source", "")) for entry in entries],
            "events:detail-type": [str(entry.get("DetailType", "")) for entry in entries],
        }
    if operation == "PutTargets":
        return {"events:TargetArn": [str(target.get("Arn", "")) for target in parameters.get("Targets", [])]}
    return {}


def _kms(_: str, parameters: Parameters) -> Keys:
    said = parameters.get("EncryptionContext") or {}
    keys: Keys = {f"kms:EncryptionContext:{name}": str(value) for name, value in said.items()}
    alias = str(parameters.get("KeyId", ""))
    if "alias/" in alias:
        keys["kms:RequestAlias"] = alias[alias.index("alias/") :]
    return keys | ({"kms:EncryptionContextKeys": list(said)} if said else {}) | {"kms:CallerAccount": ACCOUNT}


# DynamoDB: which partition keys a request touches ---------------------------------------------------------------------


def _dynamodb(_: str, parameters: Parameters) -> Keys:
    keys = _present(parameters, Select="dynamodb__Select", ReturnValues="dynamodb__ReturnValues")
    leading = leading_keys(parameters)
    return keys | ({"dynamodb:LeadingKeys": leading} if leading else {})


def leading_keys(parameters: Parameters) -> list[str]:
    """The values of the partition key in one request on one table, as policies compare them."""
    table = dynamodb_backends[ACCOUNT][REGION].tables.get(str(parameters.get("TableName", "")).rpartition("/")[2])
    if table is None:
        return []
    name = table.hash_key_attr
    item = parameters.get("Key") or parameters.get("Item") or {}
    if name in item:
        return [_scalar(item[name])]
    names = parameters.get("ExpressionAttributeNames") or {}
    values = parameters.get("ExpressionAttributeValues") or {}
    compared = _EQUALS.findall(str(parameters.get("KeyConditionExpression") or ""))
    return [_scalar(values[value]) for left, value in compared if names.get(left, left) == name and value in values]


def _scalar(value: Mapping[str, Any]) -> str:
    return str(next(iter(value.values())))


_KEYS: dict[str, Callable[[str, Parameters], Keys]] = {
    "cloudwatch": _cloudwatch,
    "dynamodb": _dynamodb,
    "events": _events,
    "iam": _iam,
    "kms": _kms,
    "lambda": _lambda,
    "sns": _sns,
    "ssm": _ssm,
    "sts": _sts,
}


# SageMaker ------------------------------------------------------------------------------------------------------------


def sagemaker_keys(operation: str, request: Parameters) -> Keys:
    """Condition keys of a SageMaker request, as its control plane got it.

    Source: "Actions, resources, and condition keys for Amazon SageMaker AI"; of CreateModel and CreateEndpointConfig.
    """
    keys = tag_keys(request)
    if operation == "CreateModel":
        vpc = request.get("VpcConfig") or {}
        keys["sagemaker:NetworkIsolation"] = _said(bool(request.get("EnableNetworkIsolation")))
        keys |= _present(vpc, SecurityGroupIds="sagemaker__VpcSecurityGroupIds", Subnets="sagemaker__VpcSubnets")
    if operation == "CreateEndpointConfig":
        variants = request.get("ProductionVariants", [])
        types = [str(variant["InstanceType"]) for variant in variants if variant.get("InstanceType")]
        keys |= _present(request, KmsKeyId="sagemaker__VolumeKmsKey")
        keys |= {"sagemaker:InstanceTypes": types} if types else {}
    return keys
