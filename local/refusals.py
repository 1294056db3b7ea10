"""What the embedded AWS does not emulate, it refuses by name, in words that the service's own client can read."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import botocore.session
from botocore.exceptions import UnknownServiceError
from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.exceptions import HTTPException

_CODE = "NotImplemented"
_STATUS = "501 Not Implemented"


def refusal(service: str, operation: str, *, xml: bool) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status, headers and body."""
    message = f"local AWS does not emulate {service}.{operation}; local/GAPS.md lists what it does"
    if xml:
        content_type = "text/xml"
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{_CODE}</Code>"
            f"<Message>{escape(message)}</Message></Error></ErrorResponse>"
        )
    else:
        content_type = "application/json"
        body = json.dumps({"__type": _CODE, "message": message})
    content = body.encode()
    headers = [("Content-Type", content_type), ("Content-Length", str(len(content))), ("x-amzn-ErrorType", _CODE)]
    return _STATUS, headers, content


def operation_name(service: str, environ: Mapping[str, Any], form: bytes) -> str:
    """The operation that a request asks for, from its target, its form or its path.

    Args:
        service: the name in the request's signature.
        form: the body of a form-encoded request, else empty.
    """
    if target := str(environ.get("HTTP_X_AMZ_TARGET", "")):
        return target.rpartition(".")[2]
    if action := parse_qs(form.decode(errors="replace")).get("Action"):
        return action[0]
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
    try:
        operation, _ = get_service_router(boto_name(service)).match(Request(dict(environ)))
    except (HTTPException, NotImplementedError, UnknownServiceError):
        return f"{method} {path}"
    return str(operation.name)


def boto_name(service: str) -> str:
    """boto's name of the service that a signature calls otherwise: `states` is `stepfunctions`."""
    session = botocore.session.get_session()
    names = session.get_available_services()
    if service in names:
        return service
    for name in names:
        model = session.get_service_model(name)
        if service in {model.signing_name, model.endpoint_prefix}:
            return str(name)
    return service
