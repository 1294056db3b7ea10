"""What every answer carries beside its body, and how refusals by IAM look on the wire."""

from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.sagemaker.conftest import Aws


def refused(call: Any, **request: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return dict(caught.value.response)


def test_every_answer_has_a_request_id_of_its_own(aws: Aws) -> None:
    # Source: "x-amzn-RequestId" of AWS's JSON and REST-JSON protocols; boto3 reads ResponseMetadata.RequestId from it.
    aws.endpoint(aws.config("one"))
    streamed = aws.runtime.invoke_endpoint_with_response_stream(EndpointName="chat", Body=b"stream 1")
    invoked = aws.invoke()
    for answer in (streamed, invoked):
        with closing(answer["Body"]) as body:
            assert list(body)

    answers = [
        aws.describe(),
        invoked,
        streamed,
        refused(aws.sagemaker.describe_endpoint, EndpointName="absent"),
        refused(aws.runtime.invoke_endpoint, EndpointName="absent", Body=b"echo"),
        refused(aws.runtime.invoke_endpoint, EndpointName="chat", Body=b"fail"),
    ]

    ids = [answer["ResponseMetadata"]["RequestId"] for answer in answers]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_a_refusal_by_iam_has_the_status_of_its_protocol(aws: Aws) -> None:
    # Source: a public report prints (Service: AmazonSageMaker; Status Code: 400; Error Code: AccessDeniedException);
    # amazon-sagemaker-examples#290 shows that the runtime, which speaks REST-JSON, refuses with 403.
    aws.denied |= {"sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"}

    answers = [
        refused(aws.sagemaker.describe_endpoint, EndpointName="chat"),
        refused(aws.runtime.invoke_endpoint, EndpointName="chat", Body=b"echo"),
    ]

    assert [answer["Error"]["Code"] for answer in answers] == ["AccessDeniedException"] * 2
    assert [answer["ResponseMetadata"]["HTTPStatusCode"] for answer in answers] == [400, 403]


def test_an_endpoints_tags_are_condition_keys_of_its_invocation(aws: Aws) -> None:
    # Source: the Service Authorization Reference: InvokeEndpoint's resource type endpoint has aws:ResourceTag/${TagKey}
    # and sagemaker:ResourceTag/${TagKey}.
    aws.config("one")
    tags = [{"Key": "team", "Value": "release"}]
    aws.sagemaker.create_endpoint(EndpointName="chat", EndpointConfigName="one", Tags=tags)
    aws.settled()

    aws.invoke()["Body"].read()
    aws.stream("stream 1")

    keys = [dict(context) for action, _, context in aws.asked if action == "sagemaker:InvokeEndpoint"]
    assert keys == [{"aws:ResourceTag/team": "release", "sagemaker:ResourceTag/team": "release"}] * 2
