"""Policies with their intrinsics resolved, so that a checker sees ARNs of the right form."""

import re
from collections.abc import Callable, Mapping
from typing import Any

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}
_HERE = "us-east-1:123456789012"
# Forms by AWS's Service Authorization Reference.
_FORMS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{_HERE}:table/{{}}",
    "AWS::ECR::Repository": f"arn:aws:ecr:{_HERE}:repository/{{}}",
    "AWS::ECS::Cluster": f"arn:aws:ecs:{_HERE}:cluster/{{}}",
    "AWS::Events::Rule": f"arn:aws:events:{_HERE}:rule/{{}}",
    "AWS::IAM::Role": "arn:aws:iam::123456789012:role/{}",
    "AWS::KMS::Key": f"arn:aws:kms:{_HERE}:key/{{}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{_HERE}:function:{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{_HERE}:log-group:{{}}:*",
    "AWS::SNS::Topic": f"arn:aws:sns:{_HERE}:{{}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{_HERE}:{{}}",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{_HERE}:stateMachine:{{}}",
}
_REF_IS_ARN = {"AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"}
_NAMED = re.compile(r"\$\{([^}!]+)\}")


class UnknownFormError(Exception):
    """A policy names a resource in a way that has no form here; the message says which to add."""


def resolved(node: Any, document: Mapping[str, Any]) -> Any:
    """The node without intrinsics; every resource and parameter has its own name as its value.

    Raises:
        UnknownFormError: an intrinsic or the ARN of a type that this module does not know.
    """
    if isinstance(node, list):
        return [resolved(each, document) for each in node]
    if not isinstance(node, dict):
        return node
    (name, argument), *others = node.items() or [("", None)]
    intrinsic = None if others else _INTRINSICS.get(name)
    if intrinsic:
        return intrinsic(argument, document)
    unknown = [key for key in node if key.startswith("Fn::")]
    if unknown:
        raise UnknownFormError(f"{unknown[0]} in a policy is not resolved; teach it to infra/verify/arns.py")
    return {key: resolved(value, document) for key, value in node.items()}


def _substituted(argument: Any, document: Mapping[str, Any]) -> str:
    text, more = argument if isinstance(argument, list) else (argument, {})
    given = {key: resolved(value, document) for key, value in more.items()}
    return _NAMED.sub(lambda found: given.get(found[1]) or _value(found[1], document), text)


def _joined(argument: Any, document: Mapping[str, Any]) -> str:
    separator, parts = argument
    return str(separator).join(resolved(parts, document))


def _value(name: str, document: Mapping[str, Any]) -> str:
    logical_id, _, attribute = name.partition(".")
    resource = document["Resources"].get(logical_id)
    if resource is None:
        return PSEUDO.get(name, logical_id.lower())
    form = _FORMS.get(resource["Type"])
    if attribute == "Arn" or (not attribute and resource["Type"] in _REF_IS_ARN):
        if not form:
            raise UnknownFormError(f"the ARN of {resource['Type']} has no form; add it to infra/verify/arns.py")
        return form.format(logical_id.lower())
    return logical_id.lower()


_INTRINSICS: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "Ref": _value,
    "Fn::GetAtt": lambda path, document: _value(".".join(path), document),
    "Fn::Sub": _substituted,
    "Fn::Join": _joined,
    "Fn::If": lambda branches, document: resolved(branches[1], document),
}
