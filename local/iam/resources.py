"""Which permissions an AWS request needs: its actions and the ARNs that it touches; its keys come from `keys`.

Source: the "Actions, resources, and condition keys" page of each service in the Service Authorization Reference.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from local.iam import account
from local.iam.conditions import Family, Value
from local.iam.keys import Parameters, request_keys
from local.world import ACCOUNT, REGION


@dataclass(frozen=True)
class Need:
    """One permission that a request needs."""

    action: str
    resource: str = "*"
    context: Mapping[str, Value] = field(default_factory=dict)
    families: Mapping[str, Family] = field(default_factory=dict)


def needs(service: str, operation: str, parameters: Parameters) -> list[Need]:
    """What a request to a service other than S3 and SageMaker needs, all of it but keys of KMS.

    Args:
        service: boto3's name of the service.
        operation: its API's name.
        parameters: the request's parameters as the API spells them.
    """
    prefix = _PREFIXES.get(service, service)
    if service == "dynamodb" and operation in _DYNAMODB_BATCHES:
        return list(_DYNAMODB_BATCHES[operation](parameters))
    action = f"{prefix}:{_ACTIONS.get((service, operation), operation)}"
    arns = list(_ARNS.get(service, _none)(operation, parameters)) or ["*"]
    keys = request_keys(service, operation, parameters)
    return [Need(action, arn, keys) for arn in arns] + _passed_roles(service, parameters)


_PREFIXES = {"stepfunctions": "states", "elbv2": "elasticloadbalancing"}
# Where the permission is not called like the operation.
_ACTIONS = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "InvokeAsync"): "InvokeFunction",
    ("sns", "PublishBatch"): "Publish",
    ("sqs", "SendMessageBatch"): "SendMessage",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
}
# Who a role that a request names is passed to: (service asked, parameter) → service that will use the role.
_PASSED_TO = {
    ("stepfunctions", "roleArn"): "states.amazonaws.com",
    ("lambda", "Role"): "lambda.amazonaws.com",
    ("ecs", "taskRoleArn"): "ecs-tasks.amazonaws.com",
    ("ecs", "executionRoleArn"): "ecs-tasks.amazonaws.com",
    ("events", "RoleArn"): "events.amazonaws.com",
    ("cloudformation", "RoleARN"): "cloudformation.amazonaws.com",
    ("application-autoscaling", "RoleARN"): "application-autoscaling.amazonaws.com",
}


def _passed_roles(service: str, parameters: Parameters) -> list[Need]:
    passed = [
        (str(parameters[name]), user)
        for (asked, name), user in _PASSED_TO.items()
        if asked == service and parameters.get(name)
    ]
    if service == "events":
        targets = parameters.get("Targets") or []
        passed += [(str(target["RoleArn"]), "events.amazonaws.com") for target in targets if target.get("RoleArn")]
    return [Need("iam:PassRole", role, {"iam:PassedToService": user}) for role, user in dict.fromkeys(passed)]


# (operation, parameters) → ARNs, service by service; none means that the action has no resource ----------------------


def _none(_: str, __: Parameters) -> Iterator[str]:
    return iter(())


def _arn(service: str, resource: str) -> str:
    return resource if resource.startswith("arn:") else f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _named(service: str, *names: tuple[str, Callable[[str], str]]) -> Callable[[str, Parameters], Iterator[str]]:
    """ARNs of the parameters that are there; each name comes with how its value is written in an ARN."""

    def arns(_: str, parameters: Parameters) -> Iterator[str]:
        for name, resource in names:
            for value in _texts(parameters.get(name)):
                yield value if value.startswith("arn:") else _arn(service, resource(value))

    return arns


def _texts(value: Any) -> Iterable[str]:
    if value is None:
        return ()
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _kind(kind: str, separator: str = "/") -> Callable[[str], str]:
    return lambda name: f"{kind}{separator}{name}"


def _dynamodb(operation: str, parameters: Parameters) -> Iterator[str]:
    if "TableName" not in parameters:
        return
    table = _table(parameters["TableName"])
    index = parameters.get("IndexName")
    yield f"{table}/index/{index}" if index and operation in {"Query", "Scan"} else table


def _table(name: str) -> str:
    return _arn("dynamodb", name if name.startswith("arn:") else f"table/{name}")


def _transaction(parameters: Parameters) -> Iterator[Need]:
    """A transaction needs what each of its parts needs; a part is called like its permission, but for Check and Get."""
    for item in parameters["TransactItems"]:
        for part, request in item.items():
            action = {"ConditionCheck": "ConditionCheckItem"}.get(part, f"{part}Item")
            yield Need(f"dynamodb:{action}", _table(request["TableName"]), request_keys("dynamodb", action, request))


def _batch(operation: str) -> Callable[[Parameters], Iterator[Need]]:
    return lambda parameters: (Need(f"dynamodb:{operation}", _table(table)) for table in parameters["RequestItems"])


_DYNAMODB_BATCHES: dict[str, Callable[[Parameters], Iterator[Need]]] = {
    "TransactWriteItems": _transaction,
    "TransactGetItems": _transaction,
    "BatchGetItem": _batch("BatchGetItem"),
    "BatchWriteItem": _batch("BatchWriteItem"),
}


def _lambda(_: str, parameters: Parameters) -> Iterator[str]:
    name = unquote(str(parameters.get("FunctionName", "")))
    if name:
        arn = _arn("lambda", f"function:{name}" if not name.startswith("arn:") else name)
        qualifier = parameters.get("Qualifier")
        yield f"{arn}:{qualifier}" if qualifier and qualifier != "$LATEST" else arn


def _events(operation: str, parameters: Parameters) -> Iterator[str]:
    if operation == "PutEvents":
        for bus in {str(entry.get("EventBusName", "default")) for entry in parameters.get("Entries", [])}:
            yield _arn("events", bus if bus.startswith("arn:") else f"event-bus/{bus}")
    elif rule := parameters.get("Rule") or parameters.get("Name"):
        yield _arn("events", f"rule/{rule}")


def _cloudwatch(operation: str, parameters: Parameters) -> Iterator[str]:
    if operation in {"DescribeAlarms", "DescribeAlarmsForMetric", "DescribeAlarmHistory"}:
        yield _arn("cloudwatch", "alarm:*")  # looking at alarms is allowed for all or none
        return
    for name in _texts(parameters.get("DashboardName") or parameters.get("DashboardNames")):
        yield f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}"  # dashboards are of all regions
    yield from _named("cloudwatch", ("AlarmName", _kind("alarm", ":")), ("AlarmNames", _kind("alarm", ":")))(
        operation, parameters
    )


def _logs(_: str, parameters: Parameters) -> Iterator[str]:
    for group in _texts(parameters.get("logGroupName") or parameters.get("logGroupNames")):
        stream = parameters.get("logStreamName")
        yield _arn("logs", f"log-group:{group}:log-stream:{stream}" if stream else f"log-group:{group}:*")


def _sqs(operation: str, parameters: Parameters) -> Iterator[str]:
    if url := parameters.get("QueueUrl"):
        yield _arn("sqs", str(url).rsplit("/", 1)[-1])
    yield from _named("sqs", ("QueueName", str))(operation, parameters)


def _states(operation: str, parameters: Parameters) -> Iterator[str]:
    if operation == "CreateStateMachine":
        yield _arn("states", f"stateMachine:{parameters['name']}")
        return
    yield from _named("states", ("stateMachineArn", str), ("executionArn", str), ("resourceArn", str))(
        operation, parameters
    )


def _iam(_: str, parameters: Parameters) -> Iterator[str]:
    for name, kind in (("RoleName", "role"), ("UserName", "user")):
        if name in parameters:
            yield f"arn:aws:iam::{ACCOUNT}:{kind}/{parameters[name]}"
    if "PolicyArn" in parameters and "RoleName" not in parameters:
        yield str(parameters["PolicyArn"])


def _kms(_: str, parameters: Parameters) -> Iterator[str]:
    """A key under whichever of its names; policies know its ARN alone."""
    if name := str(parameters.get("KeyId") or parameters.get("TargetKeyId") or ""):
        found = account.key(name)
        yield found.arn if found is not None else _arn("kms", name if name.startswith("arn:") else f"key/{name}")


def _cloudformation(_: str, parameters: Parameters) -> Iterator[str]:
    if name := parameters.get("StackName"):
        yield _arn("cloudformation", str(name) if str(name).startswith("arn:") else f"stack/{name}/*")


_ARNS: dict[str, Callable[[str, Parameters], Iterator[str]]] = {
    "cloudformation": _cloudformation,
    "cloudwatch": _cloudwatch,
    "dynamodb": _dynamodb,
    "ecr": _named("ecr", ("repositoryName", _kind("repository")), ("repositoryNames", _kind("repository"))),
    "events": _events,
    "iam": _iam,
    "kms": _kms,
    "lambda": _lambda,
    "logs": _logs,
    "sns": _named("sns", ("TopicArn", str), ("TargetArn", str), ("Name", str)),
    "sqs": _sqs,
    "ssm": _named(
        "ssm",
        ("Name", lambda name: f"parameter/{name.lstrip('/')}"),
        ("Names", lambda name: f"parameter/{name.lstrip('/')}"),
        ("Path", lambda path: f"parameter/{path.strip('/')}"),
    ),
    "stepfunctions": _states,
    "sts": _named("sts", ("RoleArn", str)),
}
