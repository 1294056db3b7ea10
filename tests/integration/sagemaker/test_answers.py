"""Every answer of the control plane held to the shape that botocore's model gives it."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from local.sagemaker.control.api import Api
from local.sagemaker.service_model import operation
from tests.integration.sagemaker.conftest import Aws

TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "float": (int, float),
    "timestamp": (int, float),
}


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """How often each operation answered; the test fails where an answer has another shape than the model's."""
    seen: dict[str, int] = {}
    breaches: list[str] = []
    original = Api.call

    def call(api: Api, name: str, access_key: str, request: Any) -> dict[str, Any]:
        answer = original(api, name, access_key, request)
        seen[name] = seen.get(name, 0) + 1
        shape = operation("sagemaker", name).output_shape
        breaches.extend(breaches_of(shape, answer, name) if shape else [f"{name}: {answer}"] if answer else [])
        return answer

    monkeypatch.setattr(Api, "call", call)
    yield seen
    assert breaches == []


def breaches_of(shape: Shape, value: Any, where: str) -> Iterator[str]:
    """Where the value has a member, a type, a word or a bound that the shape does not have."""
    is_right = isinstance(value, TYPES[shape.type_name]) and isinstance(value, bool) == (shape.type_name == "boolean")
    if is_right:
        yield from breaches_inside(shape, value, where)
    else:
        yield f"{where} is {value!r}, no {shape.type_name}"


def breaches_inside(shape: Shape, value: Any, where: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from (f"{where} lacks {member}" for member in shape.required_members if member not in value)
        for member, item in value.items():
            if member in shape.members:
                yield from breaches_of(shape.members[member], item, f"{where}.{member}")
            else:
                yield f"{where}.{member} is unknown"
    elif isinstance(shape, ListShape | MapShape):
        items, member = (value, shape.member) if isinstance(shape, ListShape) else (value.values(), shape.value)
        yield from bounds(shape, len(value), where)
        for item in items:
            yield from breaches_of(member, item, where)
    elif isinstance(shape, StringShape):
        yield from bounds(shape, len(value), where)
        if shape.enum and value not in shape.enum:
            yield f"{where} is {value!r}, none of {shape.enum}"


def bounds(shape: Shape, size: int, where: str) -> Iterator[str]:
    if not shape.metadata.get("min", 0) <= size <= shape.metadata.get("max", size):
        yield f"{where} has {size}, outside {dict(shape.metadata)}"


def test_every_answer_has_its_shape(aws: Aws, answered: dict[str, int]) -> None:
    arn = tagged_model(aws)
    with_pools(aws, "one")
    aws.config("two", instances=2)
    aws.endpoint("one")
    aws.update("two", wait_s=3600, alarm=aws.alarm("guard"))
    aws.until(aws.baking)
    during = aws.describe()
    aws.skip(3600)
    aws.settled()
    aws.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="chat", DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 1}]
    )
    aws.settled()
    broken(aws)
    for member in ("model", "endpoint_config", "endpoint"):
        getattr(aws.sagemaker, f"list_{member}s")(MaxResults=1)
    aws.sagemaker.describe_model(ModelName="one")
    described = aws.sagemaker.describe_endpoint_config(EndpointConfigName="one")
    aws.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    aws.sagemaker.delete_endpoint_config(EndpointConfigName="one")
    aws.sagemaker.delete_model(ModelName="tagged")
    aws.sagemaker.delete_endpoint(EndpointName="chat")
    aws.until(lambda: "chat" not in {one["EndpointName"] for one in aws.sagemaker.list_endpoints()["Endpoints"]})

    assert "PendingDeploymentSummary" in during
    assert described["MetricsConfig"] == {"MetricPublishFrequencyInSeconds": 60}
    assert set(answered) == set(Api.OPERATIONS)


def tagged_model(aws: Aws) -> str:
    aws.model("tagged")
    arn: str = aws.sagemaker.describe_model(ModelName="tagged")["ModelArn"]
    aws.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "release"}])
    aws.sagemaker.list_tags(ResourceArn=arn)
    return arn


def with_pools(aws: Aws, name: str) -> None:
    aws.model(name)
    pools = [
        {"InstanceType": kind, "Priority": number} for number, kind in enumerate(("ml.g5.xlarge", "ml.g6.xlarge"), 1)
    ]
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": 1,
        "InstancePools": pools,
        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
    }
    aws.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[variant],
        MetricsConfig={"MetricPublishFrequencyInSeconds": 60},
    )


def broken(aws: Aws) -> None:
    """An endpoint that failed and says why."""
    aws.config("no-start", START="exit")
    aws.sagemaker.create_endpoint(EndpointName="broken", EndpointConfigName="no-start")
    assert aws.settled("broken")["EndpointStatus"] == "Failed"
