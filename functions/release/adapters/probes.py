"""Asking an endpoint as a customer would, through the SageMaker runtime."""

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, message_of, translated
from release.domain.truth import ProbeAnswer

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

# Plain text, because a base model has no chat template; few tokens, because only who answers matters.
_PROMPT = json.dumps({"inputs": "Hello", "parameters": {"max_new_tokens": 4, "temperature": 0}})


class RuntimeProbes:
    def __init__(self, client: "SageMakerRuntimeClient") -> None:
        self._client = client

    def ask(self, endpoint_name: str) -> ProbeAnswer:
        try:
            with translated(f"probing endpoint {endpoint_name}"):
                reply = self._client.invoke_endpoint(
                    EndpointName=endpoint_name, ContentType="application/json", Body=_PROMPT.encode()
                )
                reply["Body"].read()
        except ClientError as error:
            return ProbeAnswer("", "", f"{code_of(error)}: {message_of(error)}")
        named = dict(part.partition("=")[::2] for part in reply.get("CustomAttributes", "").split(";"))
        return ProbeAnswer(named.get("release", ""), named.get("rollout", ""), "")
