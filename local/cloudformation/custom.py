"""Custom resources: a function of the stack's owner makes, changes and deletes them, and answers over HTTP.

Requests and answers are as
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
says. In place of a presigned URL of S3 the function gets one of this process, which takes one PUT.
"""

import json
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from local.cloudformation.resource import Made, Order, Properties, ResourceFailedError, StackResource
from local.world import World

CUSTOM_TYPE, CUSTOM_PREFIX = "AWS::CloudFormation::CustomResource", "Custom::"
_LONGEST_WAIT_S = 3600  # of ServiceTimeout, and its default
_MOST_ANSWER_BYTES = 4096
_SILENCE = (
    "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [{}]. "
    "If you are using the Python cfn-response module, you may need to update your Lambda function code so that "
    "CloudFormation can attach the updated version."
)


def is_custom(resource_type: object) -> bool:
    return isinstance(resource_type, str) and (resource_type == CUSTOM_TYPE or resource_type.startswith(CUSTOM_PREFIX))


class CustomType:
    """Resources of one custom type."""

    name_property = ""
    refuses: frozenset[str] = frozenset()

    def __init__(self, world: World, name: str) -> None:
        self._world, self._type = world, name

    def create(self, order: Order) -> Made:
        return self._made(order, {"RequestType": "Create"})

    def update(self, order: Order, current: StackResource) -> Made:
        if order.properties["ServiceToken"] != current.properties["ServiceToken"]:
            raise ResourceFailedError("Modifying service token is not allowed.")
        before = {"PhysicalResourceId": current.physical_id, "OldResourceProperties": _texts(current.properties)}
        return self._made(order, {"RequestType": "Update", **before})

    def delete(self, current: StackResource) -> None:
        stack_id = current.made.handle if current.made else ""
        order = Order("", stack_id, current.logical_id, current.type, current.name, current.properties)
        self._asked(order, {"RequestType": "Delete", "PhysicalResourceId": current.physical_id})

    def _made(self, order: Order, words: Mapping[str, Any]) -> Made:
        answer = self._asked(order, words)
        return Made(_physical_id(answer), answer.get("Data") or {}, order.stack_id)

    def _asked(self, order: Order, words: Mapping[str, Any]) -> dict[str, Any]:
        """Raises ResourceFailedError: the function said FAILED, nothing, or what is no answer."""
        token = str(order.properties["ServiceToken"])
        if ":lambda:" not in token:
            raise ResourceFailedError(f"local AWS asks functions alone for custom resources; {token} is none")
        request_id = str(uuid4())
        with _mailbox() as (url, inbox):
            request = {
                "RequestId": request_id,
                "ResponseURL": url,
                "StackId": order.stack_id,
                "ResourceType": order.type,
                "LogicalResourceId": order.logical_id,
                "ResourceProperties": _texts(order.properties),
                "ServiceToken": token,
                **words,
            }
            self._world.client("lambda").invoke(
                FunctionName=token, InvocationType="Event", Payload=json.dumps(request).encode()
            )
            wait_s = float(order.properties.get("ServiceTimeout", _LONGEST_WAIT_S))
            try:
                body = inbox.get(timeout=self._world.clock.real_seconds(wait_s))
            except queue.Empty:
                raise ResourceFailedError(_SILENCE.format(request_id)) from None
        return _read(body, order, request_id)

    def recreates(self, current: StackResource, properties: Properties) -> frozenset[str]:  # noqa: ARG002 - a provider's signature
        return frozenset()

    def reuses_name(self) -> bool:
        return True

    def has_attribute(self, name: str) -> bool:  # noqa: ARG002 - the function's answer decides
        return True


def _read(body: bytes, order: Order, request_id: str) -> dict[str, Any]:
    if len(body) > _MOST_ANSWER_BYTES:
        raise ResourceFailedError("Response object is too long.")
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise ResourceFailedError("Invalid Response object: it is not JSON") from error
    if not isinstance(answer, dict) or answer.get("Status") not in {"SUCCESS", "FAILED"}:
        raise ResourceFailedError("Invalid Response object: Value of Status property must be SUCCESS or FAILED")
    if answer["Status"] == "FAILED":
        made = answer.get("PhysicalResourceId")
        raise ResourceFailedError(
            f"Received response status [FAILED] from custom resource. Message returned: {answer.get('Reason', '')} "
            f"(RequestId: {request_id})",
            Made(str(made), {}, order.stack_id) if made else None,
        )
    if answer.get("NoEcho"):
        raise ResourceFailedError("local AWS hides no attributes of custom resources (NoEcho)")
    return answer


def _physical_id(answer: Mapping[str, Any]) -> str:
    made = answer.get("PhysicalResourceId")
    if not made or not isinstance(made, str):
        raise ResourceFailedError("Invalid PhysicalResourceId")
    return made


def _texts(value: Any) -> Any:
    """CloudFormation hands scalars on as text."""
    if isinstance(value, Mapping):
        return {name: _texts(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value)


@contextmanager
def _mailbox() -> Iterator[tuple[str, "queue.Queue[bytes]"]]:
    """An address that takes one answer, and where it comes out."""
    inbox: queue.Queue[bytes] = queue.Queue()
    path = f"/{uuid4()}"

    class Answering(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            known = self.path == path
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200 if known else 403)
            self.send_header("Content-Length", "0")
            self.end_headers()
            if known:
                inbox.put(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's signature
            """Nobody reads a line per answer."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, args=(0.05,), name="custom-resources", daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{path}", inbox
    finally:
        server.shutdown()
        server.server_close()
