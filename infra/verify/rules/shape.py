"""The template as a document: parameters, outputs, names and places."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.verify.rules.registry import Fault, at, rule
from infra.verify.subjects import Subjects

_LONGEST_STACK_NAME = "s" * 20  # docs/architecture.md: stack names are at most 20 characters
_BOUNDS = ("AllowedValues", "AllowedPattern", "MaxLength", "MaxValue")
_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
_PARTITION = re.compile(r"arn:aws(-\w+)*:(?!states:::)")
# Longest names by the API reference of each service.
_NAMES = {
    "AWS::S3::Bucket": ("BucketName", 63),
    "AWS::DynamoDB::Table": ("TableName", 255),
    "AWS::ECR::Repository": ("RepositoryName", 256),
    "AWS::Lambda::Function": ("FunctionName", 64),
    "AWS::IAM::Role": ("RoleName", 64),
    "AWS::Events::Rule": ("Name", 64),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", 80),
    "AWS::SQS::Queue": ("QueueName", 80),
    "AWS::SNS::Topic": ("TopicName", 256),
    "AWS::CloudWatch::Alarm": ("AlarmName", 255),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("Name", 32),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("Name", 32),
}


@rule("names-fit", "a name fits its service under the longest name of a stack", "API reference of each service")
def _names_fit(subjects: Subjects) -> Iterator[Fault]:
    for template, document in subjects.templates.items():
        for logical_id, each in document["Resources"].items():
            field, longest = _NAMES.get(each["Type"], ("", 0))
            name = _longest(at(each, f"Properties.{field}")) if field else ""
            if len(name) > longest:
                yield Fault(f"{template}/{logical_id}", f"{name} has {len(name)} characters; {longest} fit")


def _longest(node: Any) -> str:
    text = node.get("Fn::Sub", "") if isinstance(node, Mapping) else node
    if not isinstance(text, str):
        return ""
    for variable, value in {"AWS::StackName": _LONGEST_STACK_NAME, "StackName": _LONGEST_STACK_NAME}.items():
        text = text.replace(f"${{{variable}}}", value)
    return text.replace("${AWS::AccountId}", "1" * 12).replace("${AWS::Region}", "ap-southeast-2")


@rule("parameters-are-bounded", "a parameter has a description and bounds", "CloudFormation user guide, parameters")
def _parameters(subjects: Subjects) -> Iterator[Fault]:
    for template, document in subjects.templates.items():
        for name, each in document.get("Parameters", {}).items():
            if not each.get("Description"):
                yield Fault(f"{template}/{name}", "it has no Description")
            typed = each["Type"] not in {"String", "Number"}  # AWS looks up values of its own types
            if not typed and not any(bound in each for bound in _BOUNDS):
                yield Fault(f"{template}/{name}", f"it has none of {', '.join(_BOUNDS)}")


@rule("outputs-are-described", "an output says what it is for", "CloudFormation user guide, outputs")
def _outputs(subjects: Subjects) -> Iterator[Fault]:
    for template, document in subjects.templates.items():
        for name, each in document.get("Outputs", {}).items():
            if not each.get("Description"):
                yield Fault(f"{template}/{name}", "it has no Description")


@rule(
    "nothing-is-somewhere",
    "no account and no partition is written down",
    "CloudFormation user guide, pseudo parameters",
)
def _somewhere(subjects: Subjects) -> Iterator[Fault]:
    for template, document in subjects.sources.items():
        for logical_id, each in document["Resources"].items():
            text = json.dumps(each, default=str)
            if found := _ACCOUNT.search(text) or _PARTITION.search(text):
                yield Fault(f"{template}/{logical_id}", f"it says {found[0]}")
