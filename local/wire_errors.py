"""An AWS error in the words of the protocol in which the request came, so that every client raises the right code.

Source: "Operation error serialization" of each protocol at https://smithy.io/2.0/aws/protocols/, and for S3 "Error
responses" in the Amazon S3 API Reference.
"""

import http
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

WsgiAnswer = tuple[str, list[tuple[str, str]], bytes]

_SERVER_ERRORS = 500
# Their service models carry `awsQueryCompatible`; a test compares this with botocore's models.
_QUERY_COMPATIBLE = frozenset({"monitoring", "sqs"})


@dataclass(frozen=True)
class AwsFailure:
    """One error: its code as `ClientError.response["Error"]["Code"]` shows it, its message and its HTTP status."""

    code: str
    message: str
    status: int = 400

    @property
    def side(self) -> str:
        return "Receiver" if self.status >= _SERVER_ERRORS else "Sender"


def error_answer(service: str, environ: Mapping[str, Any], form: bytes, failure: AwsFailure) -> WsgiAnswer:
    """WSGI's status, headers and body.

    Args:
        service: the name in the request's signature.
        form: the body of a form-encoded request, else empty.
    """
    headers = [("x-amzn-RequestId", str(uuid.uuid4())), ("x-amzn-ErrorType", failure.code)]
    if form or service == "s3":
        content_type, text = "text/xml", _xml(service, failure)
    else:
        content_type = str(environ.get("CONTENT_TYPE") or "application/json")
        text = json.dumps({"__type": failure.code, "message": failure.message})
        # Such a service's clients know the codes of its older query protocol.
        if service in _QUERY_COMPATIBLE:
            headers.append(("x-amzn-query-error", f"{failure.code};{failure.side}"))
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else text.encode()
    headers += [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    return f"{failure.status} {http.HTTPStatus(failure.status).phrase}", headers, body


def _xml(service: str, failure: AwsFailure) -> str:
    error = f"<Code>{escape(failure.code)}</Code><Message>{escape(failure.message)}</Message>"
    request_id = uuid.uuid4()
    if service == "s3":
        return f"<Error>{error}<RequestId>{request_id}</RequestId></Error>"
    if service == "ec2":
        return f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    typed = f"<Type>{failure.side}</Type>{error}"
    return f"<ErrorResponse><Error>{typed}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
