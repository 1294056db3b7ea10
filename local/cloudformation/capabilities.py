"""What a request must acknowledge before a template may be deployed.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html, Capabilities
"""

from collections.abc import Iterable
from typing import Any

from local.cloudformation.errors import InsufficientCapabilitiesError
from local.cloudformation.templates import Template, transforms_of

# The type → the property that gives its resource a name of its own.
_IAM = {
    "AWS::IAM::AccessKey": "",
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": "",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserToGroupAddition": "",
}


def required(template: Template) -> tuple[list[str], str]:
    """The capabilities that the template's own resources need, and the sentence that says why."""
    resources: list[dict[str, Any]] = list(template.section("Resources").values())
    iam = sorted({resource["Type"] for resource in resources if resource["Type"] in _IAM})
    if not iam:
        return [], ""
    named = any(
        _IAM[resource["Type"]] in resource.get("Properties", {}) for resource in resources if resource["Type"] in _IAM
    )
    reason = f"The following resource(s) require capabilities: [{', '.join(iam)}]"
    return ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"], reason


def check(template: Template, given: Iterable[str], *, expands: bool) -> None:
    """Args:
    expands: whether this request may apply transforms without CAPABILITY_AUTO_EXPAND, as a change set may.

    Raises:
        InsufficientCapabilitiesError: something is not acknowledged.
    """
    known = set(given)
    if "CAPABILITY_NAMED_IAM" in known:
        known.add("CAPABILITY_IAM")
    missing = sorted(set(required(template)[0]) - known)
    if not expands and transforms_of(template.original) and "CAPABILITY_AUTO_EXPAND" not in known:
        missing.append("CAPABILITY_AUTO_EXPAND")
    if missing:
        raise InsufficientCapabilitiesError(f"Requires capabilities : [{', '.join(missing)}]")
