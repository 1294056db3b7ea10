"""Stateful sessions: who opened a session answers all of it, and nobody else.

Source: "Stateful sessions with Amazon SageMaker AI models" of SageMaker's guide, and SessionId, NewSessionId and
ClosedSessionId of InvokeEndpoint in the API reference.
"""

import json
import os
import re
import signal

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.behaviour import Behaviour
from tests.integration.sagemaker.conftest import Aws

ANYWHERE = Behaviour(unknown_sessions_are_refused=False)


def open_session(aws: Aws, seconds: float = 3600) -> tuple[str, int]:
    """A new session's id and the process that opened it."""
    answer = aws.invoke(f"session-open {seconds}", SessionId="NEW_SESSION")
    return answer["NewSessionId"].partition(";")[0], int(answer["Body"].read())


def refusal(aws: Aws, session: str) -> str:
    with pytest.raises(ClientError) as caught:
        aws.invoke(SessionId=session)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationError"
    return error["Message"]


def test_every_request_of_a_session_reaches_the_instance_that_opened_it(aws: Aws) -> None:
    aws.endpoint(aws.config("one", instances=3))
    sessions = [open_session(aws) for _ in range(6)]

    for session, pid in sessions:
        # One in 3**8 runs would pass by chance for a single session, and there are six.
        assert {aws.facts(SessionId=session)["pid"] for _ in range(8)} == {pid}
        with aws.open_stream("facts", SessionId=session) as parts:
            assert json.loads(b"".join(part["PayloadPart"]["Bytes"] for part in parts))["pid"] == pid


def test_the_container_learns_the_session_and_the_client_its_end(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))

    opened = aws.invoke("session-open 3600", SessionId="NEW_SESSION")
    session = opened["NewSessionId"].partition(";")[0]

    # Source: the pattern of NewSessionResponseHeader in the API's model.
    assert re.fullmatch(
        r"[a-zA-Z0-9](-*[a-zA-Z0-9])*;\sExpires=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", opened["NewSessionId"]
    )
    assert aws.facts(SessionId=session)["headers"]["X-Amzn-SageMaker-Session-Id"] == session
    assert aws.facts(SessionId="NEW_SESSION")["headers"]["X-Amzn-SageMaker-Session-Id"] == "NEW_SESSION"
    assert aws.invoke("session-close", SessionId=session)["ClosedSessionId"] == session


def test_a_closed_an_expired_and_an_unknown_session_are_refused(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    closed, _ = open_session(aws)
    aws.invoke("session-close", SessionId=closed)
    expired, _ = open_session(aws, seconds=-1)

    for session in (closed, expired, "never-opened"):
        assert f"Session {session} of endpoint chat does not exist" in refusal(aws, session)


@pytest.mark.parametrize("behaviour", [pytest.param(ANYWHERE, id="unknown sessions go anywhere")])
def test_an_unknown_session_may_be_left_to_the_container(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))

    assert aws.facts(SessionId="never-opened")["headers"]["X-Amzn-SageMaker-Session-Id"] == "never-opened"


def test_a_session_cannot_be_opened_on_a_stream(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))

    with pytest.raises(ClientError, match="regular expression pattern") as caught:
        aws.open_stream("session-open 60", SessionId="NEW_SESSION")

    assert caught.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize("behaviour", [Behaviour(), ANYWHERE], ids=["refused", "sent anywhere"])
def test_a_session_dies_with_its_instance(aws: Aws, behaviour: Behaviour) -> None:
    aws.endpoint(aws.config("one", instances=2))
    session, pid = open_session(aws)

    os.kill(pid, signal.SIGKILL)
    aws.until(lambda: aws.describe()["ProductionVariants"][0]["CurrentInstanceCount"] < 2)

    if behaviour.unknown_sessions_are_refused:
        assert "does not exist" in refusal(aws, session)
    else:
        assert aws.facts(SessionId=session)["pid"] != pid


def test_a_session_stays_on_blue_while_blue_waits_to_be_terminated(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    session, pid = open_session(aws)
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 3600}
    aws.sagemaker.update_endpoint(
        EndpointName="chat", EndpointConfigName=aws.config("two"), DeploymentConfig={"BlueGreenUpdatePolicy": policy}
    )
    aws.until(lambda: aws.facts()["pid"] != pid)

    in_session = aws.facts(SessionId=session)["pid"]
    aws.skip(3600)

    assert in_session == pid
    assert aws.settled()["EndpointConfigName"] == "two"
    assert "does not exist" in refusal(aws, session)


def test_a_session_and_another_variant_cannot_be_meant_together(aws: Aws) -> None:
    aws.model("one")
    variant = {"ModelName": "one", "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 1}
    aws.sagemaker.create_endpoint_config(
        EndpointConfigName="two", ProductionVariants=[{**variant, "VariantName": name} for name in ("red", "black")]
    )
    aws.endpoint("two")
    opened = aws.invoke("session-open 3600", SessionId="NEW_SESSION", TargetVariant="red")
    session = opened["NewSessionId"].partition(";")[0]

    assert aws.invoke(SessionId=session, TargetVariant="red")["InvokedProductionVariant"] == "red"
    with pytest.raises(ClientError, match=f"Session {session} is one of variant red, not of black"):
        aws.invoke(SessionId=session, TargetVariant="black")
