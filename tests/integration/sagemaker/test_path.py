"""From model to answer to deletion, with boto3 over a socket."""

from tests.integration.sagemaker.conftest import Aws


def test_a_model_becomes_an_endpoint_that_answers_streams_changes_and_goes(aws: Aws) -> None:
    aws.endpoint(aws.config("one"))
    assert aws.invoke()["Body"].read() == b"one: 4 bytes"
    parts = [
        event["PayloadPart"]["Bytes"]
        for event in aws.runtime.invoke_endpoint_with_response_stream(EndpointName="chat", Body=b"stream")["Body"]
    ]
    assert b"".join(parts) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert len(parts) == 3

    aws.sagemaker.update_endpoint(EndpointName="chat", EndpointConfigName=aws.config("two"))
    assert aws.settled()["EndpointConfigName"] == "two"
    assert aws.invoke()["Body"].read() == b"two: 4 bytes"

    aws.sagemaker.delete_endpoint(EndpointName="chat")
    aws.until(lambda: not aws.sagemaker.list_endpoints()["Endpoints"])
    assert aws.world.processes._children == set()
