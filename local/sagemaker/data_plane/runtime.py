"""The data plane: InvokeEndpoint, its streaming form and the OpenAI-compatible path."""

import http.client
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from local.sagemaker.data_plane.container_call import ContainerBrokenError, ContainerCall, ContainerTimeoutError
from local.sagemaker.data_plane.event_stream import CONTENT_TYPE, model_stream_error, payload_part
from local.sagemaker.data_plane.metrics import Invocation, Metrics
from local.sagemaker.endpoint import Endpoint
from local.sagemaker.errors import AwsError, endpoint_unknown, model_error
from local.sagemaker.fleets.fleet import Fleet
from local.sagemaker.fleets.instance import Instance, Limits
from local.sagemaker.registry import Registry
from local.sagemaker.service_model import check_request, input_members, output_members
from local.world import ACCOUNT, REGION, World

SERVICE = "sagemaker-runtime"
MAX_BODY_BYTES = 25 * 1024 * 1024
CONNECT_ATTEMPTS = 3
OPENAI_PATH = "/v1/chat/completions"

# These steer the service itself; every other modelled header is for the container.
_FOR_THE_SERVICE = frozenset({"TargetVariant", "InferenceComponentName", "EnableExplanations", "PrefixAwareId"})
_NOT_EMULATED = ("TargetModel", "InferenceComponentName", "EnableExplanations", "TargetContainerHostname")

HeaderOf = Callable[[str], str | None]


@dataclass
class Response:
    status: int
    headers: list[tuple[str, str]]
    body: Iterable[bytes]


@dataclass
class Passage:
    """One request on its way through an instance. `finish` is called once or more, in every ending."""

    endpoint: Endpoint
    fleet: Fleet
    instance: Instance
    call: ContainerCall
    metrics: Metrics
    record: Invocation
    arrived: float
    sent: float = field(default_factory=time.monotonic)
    finished: bool = False

    def finish(self, *, status: int | None = None, broken: bool = False) -> None:
        if self.finished:
            return
        self.finished = True
        self.call.close()
        self.instance.release()
        model_us = int((time.monotonic() - self.sent) * 1e6)
        overhead_us = int((self.sent - self.arrived) * 1e6)
        record = replace(self.record, model_us=model_us, overhead_us=overhead_us, broken=broken)
        self.metrics.record(record if status is None else replace(record, status=status))


class StreamBody:
    """A WSGI body whose `close` ends the passage even if nobody ever read from it."""

    def __init__(self, passage: Passage, chunks: Iterator[bytes]) -> None:
        self._passage = passage
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        self._passage.finish()


class Runtime:
    def __init__(self, world: World, registry: Registry, metrics: Metrics, limits: Limits) -> None:
        self._world = world
        self._registry = registry
        self._metrics = metrics
        self._limits = limits

    def invoke(self, name: str, header: HeaderOf, body: bytes) -> Response:
        """InvokeEndpoint.

        Raises:
            AwsError: ValidationError, ServiceUnavailable or ModelError.
        """
        arrived = time.monotonic()
        request = _request("InvokeEndpoint", name, header, body)
        passage, answer = self._enter(request, "/invocations", body, self._limits.invocation_s, arrived)
        content = self._read_whole(passage)
        passage.finish()
        return Response(200, _response_headers("InvokeEndpoint", answer, passage), [content])

    def invoke_with_response_stream(self, name: str, header: HeaderOf, body: bytes) -> Response:
        """InvokeEndpointWithResponseStream.

        Raises:
            AwsError: as `invoke`; once the stream has begun, errors are events in it.
        """
        arrived = time.monotonic()
        operation_name = "InvokeEndpointWithResponseStream"
        request = _request(operation_name, name, header, body)
        passage, answer = self._enter(request, "/invocations", body, self._limits.stream_s, arrived)
        headers = [("Content-Type", CONTENT_TYPE), *_response_headers(operation_name, answer, passage)]
        return Response(200, headers, StreamBody(passage, self._events(passage)))

    def chat_completions(self, name: str, header: HeaderOf, body: bytes) -> Response:
        """The endpoint's OpenAI-compatible path: the container's answer passes through as it is, errors included."""
        arrived = time.monotonic()
        request = _request("InvokeEndpoint", name, header, body)
        passage, answer = self._enter(request, OPENAI_PATH, body, self._limits.stream_s, arrived, pass_errors=True)
        headers = [("Content-Type", answer.headers.get("Content-Type", "application/json"))]
        return Response(answer.status, headers, StreamBody(passage, _unwrapped(passage)))

    def _enter(  # noqa: PLR0913 - one request's facts
        self,
        request: Mapping[str, str],
        path: str,
        body: bytes,
        limit_s: float,
        arrived: float,
        *,
        pass_errors: bool = False,
    ) -> tuple[Passage, http.client.HTTPResponse]:
        """Reserve an instance, send the request and read the answer's head."""
        endpoint = self._endpoint(request["EndpointName"])
        passage = self._connect(endpoint, request.get("TargetVariant"), limit_s, arrived)
        try:
            answer = passage.call.send(path, _container_headers(request), body)
            passage.record = replace(passage.record, status=answer.status)
            if not pass_errors and not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's classes
                text = b"".join(passage.call.chunks()).decode(errors="replace")
                raise model_error(endpoint.name, ACCOUNT, REGION, answer.status, text)
        except (ContainerTimeoutError, ContainerBrokenError) as error:
            passage.finish(status=0, broken=True)
            raise _no_answer(endpoint, error) from error
        except AwsError:
            passage.finish()
            raise
        return passage, answer

    def _endpoint(self, name: str) -> Endpoint:
        endpoint = self._registry.endpoints.find(name)
        if endpoint is None or not endpoint.traffic:
            raise endpoint_unknown(name, ACCOUNT)
        return endpoint

    def _connect(self, endpoint: Endpoint, variant: str | None, limit_s: float, arrived: float) -> Passage:
        """Connect to an instance; one that refuses got no byte, so the next may be tried."""
        if variant and not endpoint.has_variant(variant):
            raise AwsError("ValidationError", f"Variant {variant} not found for endpoint {endpoint.name}.")
        for _ in range(CONNECT_ATTEMPTS):
            if (reserved := endpoint.reserve(variant)) is None:
                break
            fleet, instance = reserved
            call = ContainerCall(instance.port, limit_s)
            try:
                call.connect()
            except ContainerBrokenError:
                instance.release()
                continue
            now = self._world.clock.now()
            record = Invocation(endpoint.name, instance.variant.name, fleet.config_name, 0, 0, 0, now)
            return Passage(endpoint, fleet, instance, call, self._metrics, record, arrived)
        message = f"Endpoint {endpoint.name} has no healthy instance at the moment; try again."
        raise AwsError("ServiceUnavailable", message, 503)

    @staticmethod
    def _read_whole(passage: Passage) -> bytes:
        try:
            return b"".join(passage.call.chunks())
        except (ContainerTimeoutError, ContainerBrokenError) as error:
            passage.finish(status=0, broken=True)
            raise _no_answer(passage.endpoint, error) from error

    @staticmethod
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
        passage.finish()


def _unwrapped(passage: Passage) -> Iterator[bytes]:
    """The container's bytes; a broken answer breaks off here too, since nothing else would tell the client."""
    try:
        yield from passage.call.chunks()
    except (ContainerTimeoutError, ContainerBrokenError) as error:
        passage.finish(broken=True)
        raise ConnectionAbortedError(str(error)) from error
    passage.finish()


def _request(operation_name: str, endpoint: str, header: HeaderOf, body: bytes) -> dict[str, str]:
    """The modelled members of the request, held to their bounds.

    Raises:
        AwsError: ValidationError.
    """
    members = {
        name: value
        for name, member in input_members(SERVICE, operation_name).items()
        if member.serialization.get("location") == "header"
        and (value := header(member.serialization["name"])) is not None
    }
    members["EndpointName"] = endpoint
    try:
        check_request(SERVICE, operation_name, {**members, "Body": body})
    except AwsError as error:
        raise AwsError("ValidationError", error.message) from error
    if given := next((name for name in _NOT_EMULATED if name in members), None):
        raise AwsError("ValidationError", f"the embedded SageMaker does not emulate {given}")
    return members


def _container_headers(request: Mapping[str, str]) -> dict[str, str]:
    """What reaches the container: the modelled headers and no other, as SageMaker strips the rest."""
    members = input_members(SERVICE, "InvokeEndpoint")
    return {
        members[name].serialization["name"]: value
        for name, value in request.items()
        if name not in _FOR_THE_SERVICE and members[name].serialization.get("location") == "header"
    }


def _response_headers(operation_name: str, answer: http.client.HTTPResponse, passage: Passage) -> list[tuple[str, str]]:
    """The modelled headers of the answer, taken from the container where it set them."""
    own = output_members(SERVICE, operation_name)
    container = output_members(SERVICE, "InvokeEndpoint")
    headers = [(own["InvokedProductionVariant"].serialization["name"], passage.instance.variant.name)]
    for name, member in own.items():
        if member.serialization.get("location") != "header" or name == "InvokedProductionVariant":
            continue
        if (value := answer.headers.get(container[name].serialization["name"])) is not None:
            headers.append((member.serialization["name"], value))
    return headers


def _no_answer(endpoint: Endpoint, error: Exception) -> AwsError:
    if isinstance(error, ContainerTimeoutError):
        message = (
            "Your invocation timed out while waiting for a response from container primary. Review the latency metrics "
            "for each container in Amazon CloudWatch, resolve the issue, and try again."
        )
    else:
        message = f"The container primary ended the connection without a whole answer. ({error})"
    return model_error(endpoint.name, ACCOUNT, REGION, 0, message)
