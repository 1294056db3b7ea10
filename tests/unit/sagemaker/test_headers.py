"""Which headers pass the data plane, held against the API's model."""

from email.message import Message

import pytest
from botocore.loaders import Loader

from local.sagemaker.data_plane.headers import (
    MalformedHeaderError,
    for_container,
    from_container,
    read_request,
    to_client,
)
from local.sagemaker.errors import AwsError

MODEL = Loader().load_service_model("sagemaker-runtime", "service-2")["shapes"]
STREAM = "InvokeEndpointWithResponseStream"


def header_names(shape: str) -> dict[str, str]:
    members = MODEL[shape]["members"].items()
    return {name: member["locationName"] for name, member in members if member.get("location") == "header"}


def answer(**headers: str) -> Message:
    said = Message()
    for name, value in headers.items():
        said[name.replace("_", "-")] = value
    return said


def read(operation: str, headers: dict[str, str]) -> dict[str, str]:
    return read_request(operation, "chat", headers.get, b"")


def test_a_streams_accept_comes_by_another_name_and_reaches_the_container_as_accept() -> None:
    names = header_names("InvokeEndpointWithResponseStreamInput")
    assert names["Accept"] != header_names("InvokeEndpointInput")["Accept"]

    request = read(STREAM, {names["Accept"]: "text/event-stream", names["InferenceId"]: "7"})

    assert for_container(request) == {"Accept": "text/event-stream", names["InferenceId"]: "7"}


@pytest.mark.parametrize("member", ["TargetVariant", "PrefixAwareId"])
def test_what_steers_the_service_stays_with_it(member: str) -> None:
    request = read("InvokeEndpoint", {header_names("InvokeEndpointInput")[member]: "a"})

    assert request[member] == "a"
    assert for_container(request) == {}


@pytest.mark.parametrize(
    "member", ["TargetModel", "TargetContainerHostname", "InferenceComponentName", "EnableExplanations"]
)
def test_what_is_not_emulated_is_refused_by_name(member: str) -> None:
    with pytest.raises(AwsError, match=f"does not emulate {member}") as caught:
        read("InvokeEndpoint", {header_names("InvokeEndpointInput")[member]: "a"})

    assert caught.value.code == "ValidationError"


def test_a_streams_content_type_goes_by_another_name() -> None:
    members = from_container(STREAM, answer(Content_Type="text/event-stream"), strict=True)

    assert to_client(STREAM, members) == [(header_names(f"{STREAM}Output")["ContentType"], "text/event-stream")]


@pytest.mark.parametrize("name", ["X_Amzn_SageMaker_New_Session_Id", "X_Amzn_SageMaker_Session_Id"])
def test_a_container_names_a_new_session_in_either_way(name: str) -> None:
    """The first is the model's; AWS's DJL container says the second ("Stateful Sessions Support in LMI")."""
    said = answer(**{name: "abc-1; Expires=2026-11-23T12:00:00Z"})

    assert from_container("InvokeEndpoint", said, strict=True) == {
        "NewSessionId": "abc-1; Expires=2026-11-23T12:00:00Z"
    }


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param({"Content_Type": "x" * 1025}, "ContentType has 1025 characters; the limit is 1024", id="length"),
        pytest.param({"X_Amzn_SageMaker_Closed_Session_Id": "a_b"}, "ClosedSessionId does not match", id="pattern"),
        pytest.param({"X_Amzn_SageMaker_New_Session_Id": "abc"}, "NewSessionId does not match", id="no expiry"),
        pytest.param(
            {"X_Amzn_SageMaker_Custom_Attributes": "a\x7fb"}, "CustomAttributes does not match", id="invisible"
        ),
    ],
)
def test_a_malformed_header_fails_or_goes(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(MalformedHeaderError, match=reason):
        from_container("InvokeEndpoint", answer(**headers), strict=True)

    assert from_container("InvokeEndpoint", answer(**headers), strict=False) == {}
