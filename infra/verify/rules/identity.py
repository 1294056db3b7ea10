"""Who may do what."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.verify.rules.registry import Fault, Properties, as_list, of_type, rule, rule_of
from infra.verify.subjects import Subjects
from infra.verify.tools.policies import identity_policies

_IAM_GUIDE = "IAM user guide, security best practices"
_DEPUTY = "IAM user guide, the confused deputy problem"
_RESOURCE_POLICIES = ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::KMS::Key")
_SOURCES = ("aws:sourcearn", "aws:sourceaccount", "kms:encryptioncontext", "kms:calleraccount", "aws:principalarn")
_MANAGED = ("service-role/AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess", "AWSXRayDaemonWriteAccess")
_NEGATED = ("NotAction", "NotResource", "NotPrincipal")


def _statements(subjects: Subjects) -> Iterator[tuple[str, dict[str, Any]]]:
    for template, document in subjects.templates.items():
        for name, policy in identity_policies(document):
            for statement in as_list(policy["Statement"]):
                yield f"{template}/{name.partition('.')[0]}", statement


@rule("no-whole-service", "no statement allows every action of a service", _IAM_GUIDE)
def _whole_service(subjects: Subjects) -> Iterator[Fault]:
    for place, statement in _statements(subjects):
        wide = [each for each in as_list(statement.get("Action")) if "*" in each]
        if statement["Effect"] == "Allow" and wide:
            yield Fault(place, f"it allows {', '.join(wide)}")


@rule("nothing-by-negation", "no statement allows all but what it names", "IAM user guide, NotAction with Allow")
def _negation(subjects: Subjects) -> Iterator[Fault]:
    for place, statement in _statements(subjects):
        if statement["Effect"] == "Allow" and (used := [each for each in _NEGATED if each in statement]):
            yield Fault(place, f"it allows by {', '.join(used)}")


@rule("pass-role-is-bound", "PassRole is for one role and one service", "IAM user guide, iam:PassedToService")
def _pass_role(subjects: Subjects) -> Iterator[Fault]:
    for place, statement in _statements(subjects):
        if "iam:PassRole" in as_list(statement.get("Action")):
            if len(as_list(statement["Resource"])) != 1 or "*" in str(statement["Resource"]):
                yield Fault(place, f"it passes {statement['Resource']}")
            if "iam:PassedToService" not in str(statement.get("Condition")):
                yield Fault(place, "it names no service in iam:PassedToService")


@rule_of("AWS::IAM::Role", "one-service-a-role", "a role is taken by one service", _IAM_GUIDE)
def _trust(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    for statement in as_list(properties["AssumeRolePolicyDocument"]["Statement"]):
        principal = statement.get("Principal")
        services = as_list(principal.get("Service")) if isinstance(principal, dict) else []
        if len(services) != 1 or set(principal) != {"Service"}:
            yield f"it trusts {principal}"


@rule_of("AWS::IAM::Role", "few-managed-policies", "of AWS's own policies a role has logs and traces alone", _IAM_GUIDE)
def _managed(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    for arn in as_list(properties.get("ManagedPolicyArns")):
        if not str(arn).rstrip("'}").endswith(_MANAGED):
            yield f"it has {arn}"


@rule("no-confused-deputy", "a service that comes by a resource's policy comes for this account", _DEPUTY)
def _deputy(subjects: Subjects) -> Iterator[Fault]:
    for template, document in subjects.templates.items():
        for resource_type in _RESOURCE_POLICIES:
            for logical_id, properties in of_type(document, resource_type).items():
                policy = properties.get("PolicyDocument") or properties.get("KeyPolicy")
                for statement in as_list(policy["Statement"]) if policy else []:
                    if _open(statement):
                        yield Fault(
                            f"{template}/{logical_id}", f"{statement.get('Sid', 'a statement')} names no source"
                        )


def _open(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    outside = principal == "*" or (isinstance(principal, dict) and "Service" in principal)
    condition = str(statement.get("Condition")).lower()
    return statement["Effect"] == "Allow" and outside and not any(each in condition for each in _SOURCES)


@rule_of("AWS::Lambda::Permission", "callers-are-named", "who may call a function is one resource", _DEPUTY)
def _callers(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    if not (properties.get("SourceArn") or properties.get("SourceAccount")):
        yield f"{properties['Principal']} may call it for anybody"
