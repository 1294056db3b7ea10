"""What the embedded AWS does not emulate, it refuses by name; and how a request's operation is named."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import botocore.session
from botocore.exceptions import UnknownServiceError
from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.exceptions import HTTPException

REFUSED_CODE, REFUSED_STATUS = "NotImplemented", 501

# Signatures name a service otherwise than boto does, and one name may stand for several APIs. The others are searched.
_BOTO_NAMES = {
    "elasticloadbalancing": ("elbv2",),
    "monitoring": ("cloudwatch",),
    "sagemaker": ("sagemaker", "sagemaker-runtime"),
    "states": ("stepfunctions",),
}


def refusal_message(service: str, operation: str) -> str:
    return f"local AWS does not emulate {service}.{operation}; local/GAPS.md lists what it does"


def operation_name(service: str, environ: Mapping[str, Any], form: bytes) -> str:
    """The operation that a request asks for, from its target, its form or its path; the method and path if no API of
    the service knows them.

    Args:
        service: the name in the request's signature.
        form: the body of a form-encoded request, else empty.
    """
    if target := str(environ.get("HTTP_X_AMZ_TARGET", "")):
        return target.rpartition(".")[2]
    if action := parse_qs(form.decode(errors="replace")).get("Action"):
        return action[0]
    request = Request(dict(environ))
    for name in boto_names(service):
        try:
            operation, _ = get_service_router(name).match(request)
        except (HTTPException, NotImplementedError, UnknownServiceError):
            continue
        return str(operation.name)
    return f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}"


@lru_cache(maxsize=256)
def boto_names(service: str) -> tuple[str, ...]:
    """boto's names of what a signature calls otherwise: `states` is `stepfunctions`, `sagemaker` two APIs."""
    session = botocore.session.get_session()
    names = session.get_available_services()
    if service in _BOTO_NAMES or service in names:
        return _BOTO_NAMES.get(service, (service,))
    for name in names:
        model = session.get_service_model(name)
        if service in {model.signing_name, model.endpoint_prefix}:
            return (str(name),)
    return (service,)
