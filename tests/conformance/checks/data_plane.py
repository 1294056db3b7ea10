"""InvokeEndpoint and InvokeEndpointWithResponseStream: what reaches the container, and what comes back."""

import json
import re
from typing import Any

import botocore.session
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import EventStreamError
from botocore.model import StructureShape

from tests.conformance.case import VARIANT, Case
from tests.conformance.suite import Area
from tests.conformance.targets import Need

CALLS = Area("invoke")
STREAMS = Area("streams")
SESSIONS = Area("sessions")
FILES = Area("model files")
INVOKE = "API reference, InvokeEndpoint"
STREAM = "API reference, InvokeEndpointWithResponseStream"
CONTAINER = "developer guide, your-algorithms-inference-code"
DATA = "API reference, S3ModelDataSource, CompressionType"
MODEL_ERROR = "API reference, InvokeEndpoint, ModelError"


@CALLS.check(f"{INVOKE}, Body: 'passes all of the data in the body to the model'", Need.INSTANCES)
def bytes_reach_the_model_and_come_back(c: Case) -> None:
    body = bytes(range(256)) * 8
    assert c.invoke(c.shared(), body)["Body"].read() == body


@CALLS.check(f"{INVOKE}, InvokedProductionVariant", Need.INSTANCES)
def an_answer_tells_the_variant(c: Case) -> None:
    assert c.invoke(c.shared())["InvokedProductionVariant"] == VARIANT


@CALLS.check(f"{INVOKE}, ContentType of the answer: 'returned from the model container'", Need.INSTANCES)
def an_answer_tells_the_containers_content_type(c: Case) -> None:
    assert c.invoke(c.shared(), Accept="text/csv")["ContentType"] == "text/csv"


@CALLS.check(f"{INVOKE}, CustomAttributes: 'an opaque value that is forwarded verbatim'", Need.INSTANCES)
def custom_attributes_go_to_the_container_and_back(c: Case) -> None:
    assert c.invoke(c.shared(), CustomAttributes="trace=7;a b")["CustomAttributes"] == "trace=7;a b"


@CALLS.check(f"{INVOKE}, CustomAttributes: 'no more than 1024 visible US-ASCII characters'", Need.INSTANCES)
def custom_attributes_may_have_1024_characters(c: Case) -> None:
    assert c.invoke(c.shared(), CustomAttributes="a" * 1024)["CustomAttributes"] == "a" * 1024


@CALLS.check(f"{INVOKE}, CustomAttributes: the container sets them or there are none", Need.INSTANCES)
def an_answer_without_attributes_has_none(c: Case) -> None:
    assert "CustomAttributes" not in c.invoke(c.shared())


@CALLS.check(f"{INVOKE}, ContentType, Accept, InferenceId: headers of the request", Need.INSTANCES)
def the_documented_headers_reach_the_container(c: Case) -> None:
    headers = c.facts(c.shared(), ContentType="text/csv", Accept="application/json", InferenceId="inference-7")[
        "headers"
    ]
    assert (headers["content-type"], headers["accept"]) == ("text/csv", "application/json")
    assert headers["x-amzn-sagemaker-inference-id"] == "inference-7"


@CALLS.check(f"{INVOKE}: 'strips all POST headers except those supported by the API'", Need.INSTANCES)
def other_headers_do_not_reach_the_container(c: Case) -> None:
    runtime = c.target.new_client("sagemaker-runtime")
    runtime.meta.events.register("before-sign.*", lambda request, **_: request.headers.add_header("X-Of-Mine", "1"))
    answer = runtime.invoke_endpoint(EndpointName=c.shared(), Body=b"facts")
    assert "x-of-mine" not in json.loads(answer["Body"].read())["headers"]


@CALLS.check(f"{INVOKE}: the members of the answer are its headers", Need.INSTANCES)
def other_headers_of_the_container_do_not_reach_the_client(c: Case) -> None:
    assert "x-of-the-container" not in c.invoke(c.shared())["ResponseMetadata"]["HTTPHeaders"]


@CALLS.check(f"{CONTAINER}: 'POST requests to the /invocations endpoint'", Need.INSTANCES)
def the_container_is_asked_at_invocations(c: Case) -> None:
    assert c.facts(c.shared())["path"] == "/invocations"


@CALLS.check("API reference, ContainerDefinition, Environment", Need.INSTANCES)
def the_models_environment_reaches_the_container(c: Case) -> None:
    assert c.facts(c.shared())["env"]["COLOUR"] == "green"


@CALLS.check("botocore sagemaker-runtime/2017-05-13: BodyBlob, max 6291456", Need.INSTANCES)
def six_mebibytes_are_taken(c: Case) -> None:
    assert len(c.invoke(c.shared(), b"x" * 6_291_456)["Body"].read()) == 6_291_456


@CALLS.check(f"{INVOKE}, Body: it may be empty", Need.INSTANCES)
def an_empty_body_is_taken(c: Case) -> None:
    assert c.invoke(c.shared(), b"")["Body"].read() == b""


@CALLS.check("aws/amazon-sagemaker-examples#293, the refusal of a real account")
def an_endpoint_that_does_not_exist_answers_nothing(c: Case) -> None:
    name = c.name()
    with c.refused("ValidationError", f"^Endpoint {name} of account {c.target.account} not found"):
        c.invoke(name)


@CALLS.check(f"{INVOKE}: the endpoint is not in service yet", Need.INSTANCES)
def an_endpoint_that_is_creating_answers_nothing(c: Case) -> None:
    endpoint = c.create_endpoint(c.config(c.model(START="late")))
    with c.refused("ValidationError"):
        c.invoke(endpoint)
    c.settled(endpoint)


@CALLS.check(
    "API reference, CreateEndpoint, EndpointName: 'the case … must be matched in InvokeEndpoint'", Need.INSTANCES
)
def the_case_of_an_endpoints_name_counts(c: Case) -> None:
    endpoint = c.shared()
    with c.refused("ValidationError"):
        c.invoke(endpoint.upper())


def model_error(c: Case, body: bytes) -> dict[str, Any]:
    error = c.error_of(lambda: c.invoke(c.shared(), body))
    assert error.response["Error"]["Code"] == "ModelError", error
    return dict(error.response)


def _status(status: int) -> None:
    def ask(c: Case) -> None:
        found = model_error(c, f"fail {status}".encode())
        assert found["ResponseMetadata"]["HTTPStatusCode"] == 424
        assert (found["OriginalStatusCode"], found["OriginalMessage"]) == (status, "the model fell over")

    name = f"a {status} of the container is a ModelError with its status and body"
    CALLS.add(name, f"{MODEL_ERROR}: 'returned a 4xx or 5xx status code'", ask, Need.INSTANCES)


for _each in (400, 404, 413, 429, 500, 503):
    _status(_each)


@CALLS.check(f"{MODEL_ERROR}, LogStreamArn", Need.INSTANCES)
def a_model_error_names_the_log_stream(c: Case) -> None:
    arn = model_error(c, b"fail 500")["LogStreamArn"]
    assert re.match(r"arn:aws:logs:[a-z0-9-]+:\d{12}:log-group:/aws/sagemaker/Endpoints/" + c.shared(), arn), arn


@CALLS.check("aws/amazon-sagemaker-examples#407 and #4324, errors of real accounts", Need.INSTANCES)
def a_model_error_says_whose_it_is(c: Case) -> None:
    message = model_error(c, b"fail 500")["Error"]["Message"]
    assert re.search(r"^Received server error \(500\) from .* with message", message), message


@CALLS.check("philschmid/cdk-samples#5, the error of a real account", Need.INSTANCES)
def a_client_error_of_the_container_is_called_one(c: Case) -> None:
    message = model_error(c, b"fail 400")["Error"]["Message"]
    assert re.search(r"^Received client error \(400\) from .* with message", message), message


def parts(c: Case, endpoint: str, body: bytes, **fields: Any) -> list[bytes]:
    answer = c.runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=body, **fields)
    try:
        return [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    finally:
        answer["Body"].close()


@STREAMS.check(f"{STREAM}, PayloadPart", Need.INSTANCES)
def the_parts_of_a_stream_make_the_whole_answer(c: Case) -> None:
    assert b"".join(parts(c, c.shared(), b"stream 5")) == b"".join(b"part %d;" % n for n in range(5))


@STREAMS.check(f"{STREAM}: 'provides the response payload incrementally'", Need.INSTANCES)
def a_stream_comes_in_parts(c: Case) -> None:
    assert len(parts(c, c.shared(), b"stream 10")) > 1


@STREAMS.check(f"{STREAM}, ContentType and InvokedProductionVariant", Need.INSTANCES)
def a_stream_tells_its_type_and_variant(c: Case) -> None:
    answer = c.runtime.invoke_endpoint_with_response_stream(EndpointName=c.shared(), Body=b"stream 1")
    answer["Body"].close()
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/event-stream", VARIANT)


@STREAMS.check(f"{STREAM}: any container's answer may be streamed", Need.INSTANCES)
def an_answer_in_one_piece_may_be_streamed(c: Case) -> None:
    assert b"".join(parts(c, c.shared(), b"hello")) == b"hello"


@STREAMS.check(f"{STREAM}, CustomAttributes and Accept of the request", Need.INSTANCES)
def the_headers_of_a_stream_reach_the_container(c: Case) -> None:
    found = json.loads(b"".join(parts(c, c.shared(), b"facts", CustomAttributes="trace=7", Accept="text/plain")))
    assert found["headers"]["x-amzn-sagemaker-custom-attributes"] == "trace=7"
    assert found["headers"]["accept"] == "text/plain"


@STREAMS.check("API reference, ModelStreamError: 'An error occurred while streaming the response body'", Need.INSTANCES)
def a_broken_stream_is_a_model_stream_error(c: Case) -> None:
    error = c.error_of(lambda: parts(c, c.shared(), b"break"))
    assert isinstance(error, EventStreamError), error
    assert error.response["Error"]["Code"] == "ModelStreamError", error


@STREAMS.check("API reference, ModelStreamError, StreamBroken: the connection 'was reset or closed'", Need.INSTANCES)
def a_broken_stream_tells_that_the_connection_broke(c: Case) -> None:
    answer = c.runtime.invoke_endpoint_with_response_stream(EndpointName=c.shared(), Body=b"break")
    # botocore's parser leaves out the error's member ErrorCode, so the frames are read as they come.
    buffer = EventStreamBuffer()
    for chunk in answer["Body"]._raw_stream.stream():
        buffer.add_data(chunk)
    messages: list[Any] = list(buffer)
    *whole, last = messages
    assert whole, "no part came before the error"
    assert last.headers[":exception-type"] == "ModelStreamError", last.headers
    assert json.loads(last.payload)["ErrorCode"] == "StreamBroken", last.payload


@STREAMS.check(f"{STREAM}, ModelError: before the first part", Need.INSTANCES)
def a_container_that_refuses_a_stream_is_a_model_error(c: Case) -> None:
    with c.refused("ModelError"):
        parts(c, c.shared(), b"fail 503")


@STREAMS.check(f"{STREAM}, ValidationError; aws/amazon-sagemaker-examples#293")
def an_endpoint_that_does_not_exist_streams_nothing(c: Case) -> None:
    with c.refused("ValidationError", "not found"):
        parts(c, c.name(), b"stream 1")


@STREAMS.check(f"{STREAM}, TargetVariant", Need.INSTANCES)
def a_stream_of_a_variant_that_does_not_exist_is_refused(c: Case) -> None:
    with c.refused("ValidationError"):
        parts(c, c.shared(), b"stream 1", TargetVariant="three")


def open_session(c: Case, endpoint: str) -> tuple[str, str]:
    """The session's id and what the instance answered, which is its process."""
    answer = c.invoke(endpoint, b"session-open", SessionId="NEW_SESSION")
    session, _, expires = answer["NewSessionId"].partition("; ")
    assert re.fullmatch(r"Expires=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", expires), answer["NewSessionId"]
    return session, answer["Body"].read().decode()


@SESSIONS.check(f"{INVOKE}, NewSessionId and its pattern", Need.INSTANCES)
def a_session_has_an_id_and_an_end(c: Case) -> None:
    session, _ = open_session(c, c.shared())
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", session)


@SESSIONS.check(f"{INVOKE}, SessionId: 'Send your request to an existing stateful session'", Need.INSTANCES)
def a_session_stays_with_its_instance(c: Case) -> None:
    endpoint = c.endpoint(c.config(InitialInstanceCount=2))
    session, process = open_session(c, endpoint)
    assert {str(c.facts(endpoint, SessionId=session)["pid"]) for _ in range(20)} == {process}


@SESSIONS.check(f"{INVOKE}, ClosedSessionId", Need.INSTANCES)
def a_closed_session_is_told(c: Case) -> None:
    session, _ = open_session(c, c.shared())
    assert c.invoke(c.shared(), b"session-close", SessionId=session)["ClosedSessionId"] == session


@SESSIONS.check(f"{STREAM}, SessionId: 'You can't create a stateful session by using' it", Need.INSTANCES)
def a_stream_opens_no_session(c: Case) -> None:
    endpoint = c.shared()
    with c.refused("ValidationError"):
        answer = c.client["unvalidated-runtime"].invoke_endpoint_with_response_stream(
            EndpointName=endpoint, Body=b"session-open", SessionId="NEW_SESSION"
        )
        answer["Body"].close()


def files_of(c: Case, **data: Any) -> dict[str, str]:
    name = c.name("model")
    c.create_model(name, **data)
    found: dict[str, str] = c.facts(c.endpoint(c.config(name)))["files"]
    return found


@FILES.check(f"{DATA}: keys under the prefix, 'intermediate parts as directory names'", Need.INSTANCES)
def the_objects_of_a_prefix_become_files_in_folders(c: Case) -> None:
    assert files_of(c, **c.files()) == {"config.json": "{}", "deep/weights.bin": "0123"}


@FILES.check(f"{DATA}: S3Object and None: 'the last part as the filename'", Need.INSTANCES)
def one_object_becomes_one_file(c: Case) -> None:
    assert files_of(c, **c.files("model/deep/weights.bin", "S3Object")) == {"weights.bin": "0123"}


@FILES.check(f"{DATA}: S3Object and Gzip: 'decompress and untar'", Need.INSTANCES)
def a_compressed_object_is_unpacked(c: Case) -> None:
    assert files_of(c, **c.files("model.tar.gz", "S3Object", "Gzip")) == {"inner/config.json": "packed"}


@FILES.check("API reference, ContainerDefinition, ModelDataUrl: 'a single gzip compressed tar archive'", Need.INSTANCES)
def an_archive_is_unpacked(c: Case) -> None:
    url = f"s3://{c.target.bucket}/model.tar.gz"
    assert files_of(c, ModelDataUrl=url) == {"inner/config.json": "packed"}


def _limits() -> None:
    """Every bounded header of InvokeEndpoint, one character beyond its bound."""
    model = botocore.session.get_session().get_service_model("sagemaker-runtime")
    shape = model.operation_model("InvokeEndpoint").input_shape
    assert isinstance(shape, StructureShape)
    for member, of_member in shape.members.items():
        high = of_member.metadata.get("max")
        if member in {"Body", "EndpointName", "TargetModel", "InferenceComponentName", "TargetContainerHostname"}:
            continue
        if member in {"EnableExplanations", "PrefixAwareId"} or high is None:
            continue

        def ask(c: Case, member: str = member, high: int = high) -> None:
            fields = {"EndpointName": c.shared(), "Body": b"x", member: "a" * (high + 1)}
            with c.refused("ValidationError"):
                c.client["unvalidated-runtime"].invoke_endpoint(**fields)

        name = f"InvokeEndpoint refuses {member} of {high + 1} characters"
        source = f"botocore sagemaker-runtime/2017-05-13: InvokeEndpoint.{member}"
        CALLS.add(name, source, ask, Need.INSTANCES, generated=True)


_limits()
