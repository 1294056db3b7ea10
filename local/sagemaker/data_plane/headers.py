"""Which headers a request and an answer may have, and what reaches the other side: the API's model and no more."""

import re
from collections.abc import Callable, Mapping
from email.message import Message
from functools import cache

from botocore.model import Shape

from local.sagemaker.errors import AwsError
from local.sagemaker.service_model import check_request, input_members, output_members, python_pattern

SERVICE = "sagemaker-runtime"

# These steer the service itself; every other modelled header is for the container.
_FOR_THE_SERVICE = frozenset({"TargetVariant", "InferenceComponentName", "EnableExplanations", "PrefixAwareId"})
_NOT_EMULATED = ("TargetModel", "InferenceComponentName", "EnableExplanations", "TargetContainerHostname")
_INVISIBLE = re.compile(r"[^\t\x20-\x7e]")

HeaderOf = Callable[[str], str | None]


class MalformedHeaderError(Exception):
    """A header of a container's answer that the API's model does not allow."""


def read_request(operation: str, endpoint: str, header: HeaderOf, body: bytes) -> dict[str, str]:
    """The modelled members of the request, held to their bounds.

    Raises:
        AwsError: ValidationError.
    """
    given = {name: header(member.serialization["name"]) for name, member in _headers_in(operation).items()}
    members = {name: value for name, value in given.items() if value is not None} | {"EndpointName": endpoint}
    try:
        check_request(SERVICE, operation, {**members, "Body": body})
    except AwsError as error:
        raise AwsError("ValidationError", error.message) from error
    if refused := next((name for name in _NOT_EMULATED if name in members), None):
        raise AwsError("ValidationError", f"the embedded SageMaker does not emulate {refused}")
    if _INVISIBLE.search(members.get("CustomAttributes", "")):
        raise AwsError("ValidationError", "CustomAttributes may hold visible US-ASCII characters only.")
    return members


def for_container(request: Mapping[str, str]) -> dict[str, str]:
    """What reaches the container: the modelled headers and no other, as SageMaker strips the rest."""
    headers = _headers_in("InvokeEndpoint")
    return {
        headers[name].serialization["name"]: value
        for name, value in request.items()
        if name in headers and name not in _FOR_THE_SERVICE
    }


def from_container(operation: str, said: Message, *, strict: bool) -> dict[str, str]:
    """The modelled members of the answer, taken from the container where it set them.

    Args:
        strict: raise for a malformed header; else leave it out.

    Raises:
        MalformedHeaderError
    """
    members = {}
    for name, member in _headers_out(operation).items():
        value = said.get(_headers_out("InvokeEndpoint")[name].serialization["name"])
        if name == "NewSessionId" and value is None:
            # AWS's own DJL container names a new session so; SageMaker gives it the modelled name.
            value = said.get("X-Amzn-SageMaker-Session-Id")
        if value is None or name == "InvokedProductionVariant":
            continue
        if (breach := _breach(member, value)) is None:
            members[name] = value
        elif strict:
            raise MalformedHeaderError(f"its {name} {breach}")
    return members


def to_client(operation: str, members: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(_headers_out(operation)[name].serialization["name"], value) for name, value in members.items()]


@cache
def _headers_in(operation: str) -> dict[str, Shape]:
    return _in_headers(input_members(SERVICE, operation))


@cache
def _headers_out(operation: str) -> dict[str, Shape]:
    return _in_headers(output_members(SERVICE, operation))


def _in_headers(members: Mapping[str, Shape]) -> dict[str, Shape]:
    return {name: member for name, member in members.items() if member.serialization.get("location") == "header"}


def _breach(member: Shape, value: str) -> str | None:
    limit = member.metadata["max"]
    if len(value) > limit:
        return f"has {len(value)} characters; the limit is {limit}"
    if not re.fullmatch(python_pattern(member.metadata["pattern"]), value) or _INVISIBLE.search(value):
        return f"does not match {member.metadata['pattern']}"
    return None
