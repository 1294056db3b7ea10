"""What a caller says beside the body."""

import pytest

from engine.protocol import Submit
from server.attributes import HEADER, Attributes, Limits, read_attributes
from server.errors import ServingError
from tests.contract.inference.schemas import allows, examples


def test_the_published_example_is_understood() -> None:
    (example,) = examples("request-attributes")

    assert read_attributes(example) == Attributes(12.5, 0.5, 1, "acme", "4bf92f3577b34da6")


def test_names_that_are_not_ours_are_the_callers_own() -> None:
    assert read_attributes("tenant=7;deadline=3;;colour") == Attributes(deadline_s=3.0)
    assert read_attributes("") == Attributes()


@pytest.mark.parametrize(
    "said",
    ["deadline=0", "deadline=-1", "deadline=soon", "first-token=1e3", "priority=3", "salt=", "trace=a b", "salt=é"],
)
def test_a_value_that_is_not_ours_is_refused_by_name(said: str) -> None:
    with pytest.raises(ServingError, match=said.partition("=")[0]) as refused:
        read_attributes(said)

    assert (refused.value.code, refused.value.param) == ("invalid_request", HEADER)


@pytest.mark.parametrize(
    "said", ["deadline=9999.999", "first-token=0.001", "priority=-2", "salt=a=b", "trace=x;salt=y"]
)
def test_what_the_contract_allows_is_understood(said: str) -> None:
    assert allows("request-attributes", said)
    assert read_attributes(said) != Attributes()


@pytest.mark.parametrize(
    ("said", "stream", "limits"),
    [
        pytest.param("", False, Limits(55, 55), id="nothing said: before SageMaker's 60 s"),
        pytest.param("", True, Limits(470, 55), id="a stream: before its 8 min"),
        pytest.param("deadline=600", True, Limits(470, 55), id="nobody waits longer than SageMaker"),
        pytest.param("deadline=5", True, Limits(5, 5), id="no first token after the deadline of the whole"),
        pytest.param("deadline=5;first-token=0.5", False, Limits(5, 0.5), id="both"),
    ],
)
def test_limits_are_the_callers_within_sagemakers(said: str, *, stream: bool, limits: Limits) -> None:
    assert read_attributes(said).limits(stream=stream) == limits


def test_what_stands_beside_the_body_counts_more_than_the_body() -> None:
    submit = Submit("r", prompt="x", priority=2, cache_salt="body")

    changed = read_attributes("priority=-1;salt=header").apply(submit, Limits(5, 1))
    same = read_attributes("").apply(submit, Limits(5, 1))

    assert (changed.priority, changed.cache_salt, changed.deadline_s) == (-1, "header", 5)
    assert (same.priority, same.cache_salt) == (2, "body")
