"""Checks derived from botocore's model of SageMaker: every member that is required, bounded, enumerated or patterned.

The words of a refusal are those of AWS's own validation, as public reports quote them, for instance
aws/amazon-sagemaker-examples#2236: "1 validation error detected: Value '…' at 'productionVariants.1.member.modelName'
failed to satisfy constraint: Member must satisfy regular expression pattern: …".
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape

from tests.conformance.case import Case
from tests.conformance.suite import Area

OPERATIONS = (
    "CreateModel", "DescribeModel", "ListModels", "DeleteModel",
    "CreateEndpointConfig", "DescribeEndpointConfig", "ListEndpointConfigs", "DeleteEndpointConfig",
    "CreateEndpoint", "DescribeEndpoint", "ListEndpoints", "DeleteEndpoint",
    "UpdateEndpoint", "UpdateEndpointWeightsAndCapacities", "AddTags", "ListTags", "DeleteTags",
)  # fmt: skip
# A name that nothing has: a target that does not refuse what it should must not touch what is somebody's.
_NAME = "conformance-nothing"
_NUMBERS = ("integer", "long", "float", "double")
# A value that the model allows, for members whose pattern a plain word does not match.
_VALID = {
    "RoleArn": "arn:aws:iam::123456789012:role/execution",
    "ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:model/conformance-nothing",
    "Url": "s3://bucket/key",
    "S3ModelUri": "s3://bucket/key",
    "DestinationS3Uri": "s3://b/key",
}
# Of one member of each kind the check is worth a call; the rest of botocore's constraints repeat in nested shapes of
# features that SageMaker has beside real-time endpoints of instances.
_OTHER_FEATURES = frozenset(
    {
        "AsyncInferenceConfig", "ExplainerConfig", "DataCaptureConfig", "ShadowProductionVariants", "MultiModelConfig",
        "CrossRegionTrafficConfig", "AdditionalModelDataSources", "HubAccessConfig", "CapacityReservationConfig",
        "AcceleratorPartitionLayouts", "CoreDumpConfig", "ServerlessConfig", "ServerlessUpdateConfig", "Containers",
        "ContainerMetricsConfig", "ModelPackageName", "InferenceSpecificationName", "AcceleratorType",
        "InferenceExecutionConfig", "RepositoryAuthConfig", "ManagedInstanceScaling", "PrefixAwareRoutingConfig",
    }
)  # fmt: skip


@dataclass(frozen=True)
class _Breach:
    """A request that breaks one constraint of the model, and what AWS says of it."""

    path: str
    what: str
    request: dict[str, Any]
    pattern: str


def area() -> Area:
    found = Area("request validation")
    model = botocore.session.get_session().get_service_model("sagemaker")
    for name in OPERATIONS:
        operation = model.operation_model(name)
        for breach in _breaches(operation):
            source = f"botocore sagemaker/2017-07-24: {name}.{breach.path}"
            body = partial(_ask, operation=name, breach=breach)
            found.add(f"{name} refuses {breach.path} {breach.what}", source, body, generated=True)
    return found


def _ask(case: Case, operation: str, breach: _Breach) -> None:
    client = case.client["unvalidated"]
    method = next(python for python, api in client.meta.method_to_api_mapping.items() if api == operation)
    with case.refused("ValidationException", breach.pattern):
        getattr(client, method)(**breach.request)


def _breaches(operation: OperationModel) -> Iterator[_Breach]:
    shape = operation.input_shape
    assert isinstance(shape, StructureShape)
    for trail, broken, what, constraint in _of_structure(shape, seen=frozenset()):
        request = _valid_structure(shape)
        request = _put(request, trail, broken, shape)
        path = ".".join(_spelled(step) for step in trail)
        dotted = ".".join(_spelled(step)[0].lower() + _spelled(step)[1:] for step in trail)
        pattern = rf"validation errors? detected: .*at '{dotted}' failed to satisfy constraint: {constraint}"
        yield _Breach(path, what, request, pattern)


_MISSING = object()
_Trail = tuple[str | int, ...]
_Constraint = tuple[_Trail, Any, str, str]


def _of_structure(shape: StructureShape, seen: frozenset[str]) -> Iterator[_Constraint]:
    for required in shape.required_members:
        yield (required,), _MISSING, "when it is missing", "Member must not be null"
    for name, member in shape.members.items():
        if name in _OTHER_FEATURES or member.name in seen:
            continue
        for trail, broken, what, constraint in _of_member(member, seen | {shape.name}):
            yield (name, *trail), broken, what, constraint


def _of_member(shape: Shape, seen: frozenset[str]) -> Iterator[_Constraint]:
    if isinstance(shape, StructureShape):
        yield from _of_structure(shape, seen)
        return
    yield from (((), *broken) for broken in _of_value(shape))
    if isinstance(shape, ListShape):
        for trail, *rest in _of_member(shape.member, seen):
            yield (0, *trail), rest[0], rest[1], rest[2]


def _of_value(shape: Shape) -> Iterator[tuple[Any, str, str]]:
    if isinstance(shape, StringShape):
        yield from _of_text(shape)
    elif isinstance(shape, ListShape):
        yield from _of_list(shape)
    elif shape.type_name in _NUMBERS:
        yield from _of_number(shape)


def _of_text(shape: StringShape) -> Iterator[tuple[Any, str, str]]:
    pattern, high = shape.metadata.get("pattern", ".*"), shape.metadata.get("max")
    if shape.enum:
        yield "NoSuchValue", "outside its enumeration", r"Member must satisfy enum value set: \["
        return
    if low := shape.metadata.get("min"):
        said = f"Member must have length greater than or equal to {low}"
        yield str(_valid(shape))[: low - 1], f"of {low - 1} characters", said
    if pattern != ".*":
        yield _unmatched(pattern, low or 0), "outside its pattern", "Member must satisfy regular expression pattern"
    if high is not None:
        yield _stretched(shape, high + 1), f"of {high + 1} characters", _at_most("length", high)


def _of_number(shape: Shape) -> Iterator[tuple[Any, str, str]]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None:
        yield low - 1, f"of {low - 1}", f"Member must have value greater than or equal to {low}"
    if high is not None:
        yield high + 1, f"of {high + 1}", _at_most("value", high)


def _of_list(shape: ListShape) -> Iterator[tuple[Any, str, str]]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low:
        yield [], "when it is empty", f"Member must have length greater than or equal to {low}"
    if high is not None:
        yield [_valid(shape.member)] * (high + 1), f"of {high + 1} members", _at_most("length", high)


def _at_most(what: str, high: int) -> str:
    return f"Member must have {what} less than or equal to {high}"


def _unmatched(pattern: str, length: int) -> str:
    """A value of at least this length that no pattern of SageMaker's allows."""
    return " " if pattern == r"(?!\s*$).+" or r"[\S]" in pattern else "-!*".ljust(length, "!")


def _stretched(shape: StringShape, length: int) -> str:
    """A value of the pattern that is too long: names end in anything, addresses too."""
    start = _valid(shape)
    return str(start) + "a" * (length - len(str(start)))


def _put(request: dict[str, Any], trail: _Trail, value: Any, shape: Shape) -> dict[str, Any]:
    """The request with this value at the trail; what lies on the way is made."""
    holder: Any = request
    for step, following in itertools.pairwise(trail):
        shape = _child(shape, step)
        if isinstance(step, int):
            holder[step:] = holder[step:] or [_valid(shape)]
        elif step not in holder:
            holder[step] = [] if isinstance(following, int) else _valid(shape)
        if isinstance(following, int) and not holder[step]:
            assert isinstance(shape, ListShape)
            holder[step] = [_valid(shape.member)]
        holder = holder[step]
    last = trail[-1]
    if value is _MISSING:
        holder.pop(last, None)
    else:
        holder[last] = value
    return request


def _child(shape: Shape, step: str | int) -> Shape:
    if isinstance(step, int):
        assert isinstance(shape, ListShape)
        return shape.member
    assert isinstance(shape, StructureShape)
    return shape.members[step]


def _valid(shape: Shape) -> Any:
    """The least value that the model allows."""
    if isinstance(shape, StructureShape):
        return _valid_structure(shape)
    if isinstance(shape, ListShape):
        return [_valid(shape.member)]
    if isinstance(shape, MapShape):
        return {}
    if isinstance(shape, StringShape):
        return shape.enum[0] if shape.enum else _VALID.get(shape.name, _NAME)
    return shape.metadata.get("min", 1) if shape.type_name in _NUMBERS else True


def _valid_structure(shape: StructureShape) -> dict[str, Any]:
    return {name: _valid(shape.members[name]) for name in shape.required_members}


def _spelled(step: str | int) -> str:
    return step if isinstance(step, str) else f"{step + 1}.member"
