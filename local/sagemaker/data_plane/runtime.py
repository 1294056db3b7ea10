"""The data plane: InvokeEndpoint, its streaming form and the OpenAI-compatible path."""

import logging
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from local.sagemaker.behaviour import Behaviour
from local.sagemaker.data_plane.calls import call_to
from local.sagemaker.data_plane.client_watch import ClientWatch
from local.sagemaker.data_plane.container_call import ContainerBrokenError, ContainerTimeoutError, Head
from local.sagemaker.data_plane.event_stream import (
    CONTENT_TYPE,
    internal_stream_failure,
    model_stream_error,
    payload_part,
)
from local.sagemaker.data_plane.headers import (
    HeaderOf,
    MalformedHeaderError,
    for_container,
    from_container,
    read_request,
    to_client,
)
from local.sagemaker.data_plane.metrics import Invocation, Metrics
from local.sagemaker.data_plane.passage import Passage, StreamBody
from local.sagemaker.data_plane.routing import Router
from local.sagemaker.data_plane.sessions import NEW_SESSION
from local.sagemaker.endpoint import Endpoint
from local.sagemaker.errors import AwsError, endpoint_unknown, model_error
from local.sagemaker.fleets.instance import Limits
from local.sagemaker.registry import Registry
from local.world import ACCOUNT, REGION, World

OPENAI_PATH = "/v1/chat/completions"

logger = logging.getLogger(__name__)


@dataclass
class Response:
    status: int
    headers: list[tuple[str, str]]
    body: Iterable[bytes]


@dataclass(frozen=True)
class Inquiry:
    """One request to the runtime, as it arrived.

    Attributes:
        name: the endpoint's.
        client: the socket on which the client waits; None where nobody can watch it.
    """

    name: str
    header: HeaderOf
    body: bytes
    client: socket.socket | None
    arrived: float


class Runtime:
    def __init__(
        self, world: World, registry: Registry, metrics: Metrics, limits: Limits, behaviour: Behaviour
    ) -> None:
        self._world = world
        self._registry = registry
        self._metrics = metrics
        self._limits = limits
        self._behaviour = behaviour
        self._router = Router(behaviour)
        self._watch = ClientWatch()

    def stop(self) -> None:
        self._watch.stop()

    def invoke(self, inquiry: Inquiry) -> Response:
        """InvokeEndpoint.

        Raises:
            AwsError: ValidationError, ServiceUnavailable or ModelError.
        """
        request = read_request("InvokeEndpoint", inquiry.name, inquiry.header, inquiry.body)
        passage, head = self._enter(inquiry, request, "/invocations", self._limits.invocation_s)
        members = self._members("InvokeEndpoint", request, head, passage)
        content = self._read_whole(passage)
        passage.finish()
        return Response(200, to_client("InvokeEndpoint", members), [content])

    def invoke_with_response_stream(self, inquiry: Inquiry) -> Response:
        """InvokeEndpointWithResponseStream.

        Raises:
            AwsError: as `invoke`; once the stream has begun, errors are events in it.
        """
        operation = "InvokeEndpointWithResponseStream"
        request = read_request(operation, inquiry.name, inquiry.header, inquiry.body)
        passage, head = self._enter(inquiry, request, "/invocations", self._limits.stream_s)
        members = self._members(operation, request, head, passage)
        headers = [("Content-Type", CONTENT_TYPE), *to_client(operation, members)]
        return Response(200, headers, self._stream(passage, _events(passage)))

    def chat_completions(self, inquiry: Inquiry) -> Response:
        """The endpoint's OpenAI-compatible path: the container's answer passes through as it is, errors included.

        Raises:
            AwsError: as `invoke`, but no ModelError for a status that the container gave.
        """
        request = read_request("InvokeEndpoint", inquiry.name, inquiry.header, inquiry.body)
        passage, head = self._enter(inquiry, request, OPENAI_PATH, self._limits.stream_s, pass_errors=True)
        headers = [("Content-Type", head.headers.get("Content-Type", "application/json"))]
        return Response(head.status, headers, self._stream(passage, _unwrapped(passage)))

    def _stream(self, passage: Passage, chunks: Iterator[bytes]) -> StreamBody:
        return StreamBody(passage, chunks, read_on=not self._behaviour.client_disconnects_reach_containers)

    def _enter(
        self, inquiry: Inquiry, request: Mapping[str, str], path: str, limit_s: float, *, pass_errors: bool = False
    ) -> tuple[Passage, Head]:
        """Reserve an instance, send the request and read the answer's head."""
        passage = self._connect(self._endpoint(inquiry.name), request, limit_s, inquiry)
        try:
            head = passage.call.send(path, for_container(request), inquiry.body)
            passage.record = replace(passage.record, status=head.status)
            if not pass_errors:
                _raise_for_status(passage, head.status)
        except (ContainerTimeoutError, ContainerBrokenError) as error:
            passage.finish(status=0, broken=True)
            raise _no_answer(passage.endpoint, error) from error
        except BaseException:
            passage.finish()
            raise
        return passage, head

    def _endpoint(self, name: str) -> Endpoint:
        endpoint = self._registry.endpoints.find(name)
        if endpoint is None or not endpoint.traffic:
            raise endpoint_unknown(name, ACCOUNT)
        return endpoint

    def _connect(self, endpoint: Endpoint, request: Mapping[str, str], limit_s: float, inquiry: Inquiry) -> Passage:
        """Connect to an instance; one that refuses got no byte, so the next may be tried."""
        while reserved := self._router.reserve(endpoint, request.get("TargetVariant"), request.get("SessionId")):
            fleet, instance = reserved
            call = call_to(self._world, instance, limit_s)
            try:
                call.connect()
            except ContainerBrokenError:
                instance.healthy = False  # until it answers a ping, or its process is seen to be gone
                instance.release()
                continue
            now, variant = self._world.clock.now(), instance.variant.name
            active = len(fleet.variants[variant].healthy())
            record = Invocation(endpoint.name, variant, fleet.config_name, 0, 0, 0, now, active)
            passage = Passage(endpoint, fleet, instance, call, self._metrics, record, inquiry.arrived)
            self._watch_client(passage, inquiry.client)
            return passage
        message = f"Endpoint {endpoint.name} has no healthy instance at the moment; try again."
        raise AwsError("ServiceUnavailable", message, 503)

    def _watch_client(self, passage: Passage, client: socket.socket | None) -> None:
        if client is not None and self._behaviour.client_disconnects_reach_containers:
            number = self._watch.add(client, passage.abandon)
            passage.at_end = lambda: self._watch.remove(number)

    def _members(self, operation: str, request: Mapping[str, str], head: Head, passage: Passage) -> dict[str, str]:
        """The modelled members of the answer's head; sessions that it opens and closes are kept and forgotten."""
        strict = self._behaviour.malformed_headers_fail_the_answer
        try:
            members = from_container(operation, head.headers, strict=strict)
        except MalformedHeaderError as error:
            passage.finish(status=0, broken=True)
            text = f"The container primary answered with a header that cannot be passed on: {error}."
            raise model_error(passage.endpoint.name, ACCOUNT, REGION, 0, text) from error
        if request.get("SessionId") != NEW_SESSION:
            members.pop("NewSessionId", None)
        self._router.note(members, passage.endpoint, passage.fleet, passage.instance)
        return {"InvokedProductionVariant": passage.instance.variant.name, **members}

    def _read_whole(self, passage: Passage) -> bytes:
        try:
            return b"".join(_at_most(self._behaviour.payload_limit_bytes, passage.call.chunks()))
        except (ContainerTimeoutError, ContainerBrokenError) as error:
            passage.finish(status=0, broken=True)
            raise _no_answer(passage.endpoint, error) from error


def _raise_for_status(passage: Passage, status: int) -> None:
    if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's classes
        text = b"".join(passage.call.chunks()).decode(errors="replace")
        raise model_error(passage.endpoint.name, ACCOUNT, REGION, status, text)


def _at_most(limit: int, parts: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > limit:
            raise ContainerBrokenError(f"it has more than {limit} bytes, the limit of an answer that is no stream")
        yield part


def _events(passage: Passage) -> Iterator[bytes]:
    try:
        for chunk in passage.call.chunks():
            yield payload_part(chunk)
    except ContainerTimeoutError:
        passage.finish(broken=True)
        yield model_stream_error(
            "ModelInvocationTimeExceeded", "The model took longer than the time limit of a streamed answer."
        )
    except ContainerBrokenError as error:
        passage.finish(broken=True)
        yield model_stream_error("StreamBroken", f"The connection to the model broke in mid-stream. ({error})")
    except Exception:
        # The head is out, so only an event can still tell the client that the service itself broke.
        passage.finish()
        logger.exception("the stream from endpoint %s broke", passage.endpoint.name)
        yield internal_stream_failure("The embedded SageMaker broke in mid-stream; see its log.")
    passage.finish()


def _unwrapped(passage: Passage) -> Iterator[bytes]:
    """The container's bytes; a broken answer breaks off here too, since nothing else would tell the client."""
    try:
        yield from passage.call.chunks()
    except (ContainerTimeoutError, ContainerBrokenError) as error:
        passage.finish(broken=True)
        raise ConnectionAbortedError(str(error)) from error
    passage.finish()


def _no_answer(endpoint: Endpoint, error: Exception) -> AwsError:
    if isinstance(error, ContainerTimeoutError):
        message = (
            "Your invocation timed out while waiting for a response from container primary. Review the latency metrics "
            "for each container in Amazon CloudWatch, resolve the issue, and try again."
        )
    else:
        message = f"The container primary gave no whole answer. ({error})"
    return model_error(endpoint.name, ACCOUNT, REGION, 0, message)
