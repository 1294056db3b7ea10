"""Answering CloudFormation for a custom resource, at the address that its request names."""

import json
from typing import TYPE_CHECKING

from botocore.awsrequest import AWSRequest

from release.adapters.aws import translated
from release.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from botocore.httpsession import URLLib3Session

    from release.contracts.aws_events import CustomResourceRequest

_TAKEN = 200


class StackAnswers:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html"""

    def __init__(self, http: "URLLib3Session") -> None:
        self._http = http

    def answer(self, request: "CustomResourceRequest", refusal: str) -> None:
        """Say yes, or no with a reason.

        Raises:
            ServiceUnavailableError: the answer was not taken.
        """
        answer = {
            "Status": "FAILED" if refusal else "SUCCESS",
            **({"Reason": refusal} if refusal else {}),
            # Nothing is made; an id that never changes keeps an update from being a replacement.
            "PhysicalResourceId": request.stack_id,
            "StackId": request.stack_id,
            "RequestId": request.request_id,
            "LogicalResourceId": request.logical_resource_id,
        }
        # The address is signed for a request without a content type.
        put = AWSRequest("PUT", request.response_url, {"Content-Type": ""}, json.dumps(answer).encode())
        with translated("answering CloudFormation"):
            reply = self._http.send(put.prepare())
        if reply.status_code != _TAKEN:
            raise ServiceUnavailableError(f"CloudFormation's address answered {reply.status_code}; try again")
