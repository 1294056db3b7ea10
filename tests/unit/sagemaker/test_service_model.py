"""Requests held to botocore's description of the service."""

import re
from typing import Any

import pytest
from botocore.model import Shape, StringShape, StructureShape

from local.sagemaker.control.api import Api
from local.sagemaker.errors import AwsError
from local.sagemaker.service_model import check_request, operation, python_pattern

CONFIG = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 1}


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        pytest.param({}, "Value null at 'endpointName' failed .* Member must not be null", id="a required field"),
        pytest.param(
            {"EndpointName": "a_b", "EndpointConfigName": "c"}, "'a_b' at 'endpointName' .* pattern", id="a pattern"
        ),
        pytest.param(
            {"EndpointName": "a" * 64, "EndpointConfigName": "c"}, "length less than or equal to 63", id="a length"
        ),
        pytest.param(
            {"EndpointName": "a", "EndpointConfigName": "c", "Endpoint": 1}, "no member Endpoint", id="a typo"
        ),
        pytest.param(
            {"EndpointName": "a\n", "EndpointConfigName": "c"}, "regular expression", id="a line break at the end"
        ),
    ],
)
def test_a_breach_is_named_with_its_field(request_body: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message) as caught:
        check_request("sagemaker", "CreateEndpoint", request_body)

    assert caught.value.code == "ValidationException"


def test_all_breaches_are_listed_at_once() -> None:
    variants = [CONFIG | {"InitialInstanceCount": 0}, CONFIG | {"InstanceType": "ml.big"}]

    with pytest.raises(AwsError, match=r"^2 validation errors detected") as caught:
        check_request("sagemaker", "CreateEndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": variants})

    assert "'productionVariants.1.member.initialInstanceCount'" in caught.value.message
    assert "'productionVariants.2.member.instanceType'" in caught.value.message


@pytest.mark.parametrize("value", ["1", True, None.__class__])
def test_a_value_of_another_json_type_cannot_be_read(value: Any) -> None:
    variants = [CONFIG | {"InitialInstanceCount": value}]

    with pytest.raises(AwsError) as caught:
        check_request("sagemaker", "CreateEndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": variants})

    assert caught.value.code == "SerializationException"


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        pytest.param(r"\p{ASCII}*", "a b", True, id="ASCII outside brackets"),
        pytest.param(r"\p{ASCII}*", "é", False, id="beyond ASCII"),
        pytest.param(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "größe 1", True, id="letters, spaces, numbers in brackets"),
        pytest.param(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "a#b", False, id="a sign outside the brackets"),
        pytest.param(r"\A\S[\p{Print}]*\z", "x y", True, id="Java's anchors"),
        pytest.param(r"\A\S[\p{Print}]*\z", " x", False, id="no leading space"),
    ],
)
def test_javas_patterns_mean_the_same_here(pattern: str, text: str, fits: bool) -> None:  # noqa: FBT001 - a table's cell
    assert bool(re.fullmatch(python_pattern(pattern), text)) is fits


def test_every_pattern_that_a_request_can_meet_compiles() -> None:
    names = [("sagemaker", name) for name in Api.OPERATIONS]
    names += [("sagemaker-runtime", "InvokeEndpoint"), ("sagemaker-runtime", "InvokeEndpointWithResponseStream")]

    patterns = {
        pattern for service, name in names for pattern in patterns_in(operation(service, name).input_shape, set())
    }

    assert len(patterns) > 20
    for pattern in patterns:
        re.compile(python_pattern(pattern))


def patterns_in(shape: Shape | None, seen: set[str]) -> set[str]:
    if shape is None or shape.name in seen:
        return set()
    seen.add(shape.name)
    found = {shape.metadata["pattern"]} if isinstance(shape, StringShape) and "pattern" in shape.metadata else set()
    children = list(shape.members.values()) if isinstance(shape, StructureShape) else []
    children += [getattr(shape, side) for side in ("member", "key", "value") if hasattr(shape, side)]
    return found.union(*(patterns_in(child, seen) for child in children))
