"""Errors in the shapes and words that SageMaker sends."""

import json
from collections.abc import Mapping
from typing import Any

Answer = tuple[int, list[tuple[str, str]], bytes]


class AwsError(Exception):
    """An answer that is an error: its AWS code, HTTP status and message, and further fields of the error's shape."""

    def __init__(self, code: str, message: str, status: int = 400, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = dict(fields or {})

    def answer(self) -> Answer:
        """The error on the wire, readable both for JSON 1.1 clients and for REST-JSON clients."""
        body = {"__type": self.code, "message": self.message, "Message": self.message, **self.fields}
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", self.code)]
        return self.status, headers, json.dumps(body).encode()


def validation(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def not_found(kind: str, arn: str) -> AwsError:
    return validation(f'Could not find {kind} "{arn}".')


def already_exists(kind: str, arn: str) -> AwsError:
    return validation(f'Cannot create already existing {kind} "{arn}".')


def in_progress(arn: str) -> AwsError:
    return validation(f'Cannot update in-progress endpoint "{arn}".')


def failed_endpoint(arn: str) -> AwsError:
    return validation(f'Cannot update endpoint "{arn}" because its status is Failed; it can only be deleted.')


def not_emulated(what: str) -> AwsError:
    return validation(f"the embedded SageMaker does not emulate {what}")


def endpoint_unknown(endpoint: str, account: str) -> AwsError:
    return AwsError("ValidationError", f"Endpoint {endpoint} of account {account} not found.")


def model_error(endpoint: str, account: str, region: str, status: int, body: str) -> AwsError:
    """The container answered, but not with 2xx: HTTP 424, whatever the container's own status.

    Args:
        status: the container's status; 0 when it gave none.
        body: the container's answer; cut at 2048 characters, as the shape's limit says.
    """
    original = body[:2048]
    side = "client" if 400 <= status < 500 else "server"  # noqa: PLR2004 - HTTP's classes
    message = (
        f'Received {side} error ({status}) from primary with message "{original}". '
        f"See the log group /aws/sagemaker/Endpoints/{endpoint} in account {account} for more information."
    )
    arn = f"arn:aws:logs:{region}:{account}:log-group:/aws/sagemaker/Endpoints/{endpoint}"
    fields = {"OriginalStatusCode": status, "OriginalMessage": original, "LogStreamArn": arn}
    return AwsError("ModelError", message[:2048], 424, fields)
