"""One answer, token by token, through InvokeEndpointWithResponseStream."""

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from botocore import exceptions as boto
from urllib3.exceptions import HTTPError

from slipway.aws_errors import AWS_ERRORS, CONNECTION_ERRORS, error_code, error_message, in_our_words
from slipway.errors import (
    ChatError,
    EndpointNotFoundError,
    ModelBusyError,
    ModelFailedError,
    RequestRefusedError,
    SlipwayError,
    StreamBrokenError,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime.client import SageMakerRuntimeClient

_BUSY_STATUS = frozenset({429, 503})
_AWS_BUSY = frozenset(
    {"ServiceUnavailable", "ServiceUnavailableException", "ThrottlingException", "ModelNotReadyException"}
)
_AWS_FAILED = frozenset({"InternalFailure", "InternalDependencyException", "InternalServerException"})
_BROKEN = (*CONNECTION_ERRORS, boto.EventStreamError, boto.ResponseStreamingError, HTTPError, OSError)
_DONE = "[DONE]"


@dataclass(frozen=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int


class ChatStream:
    """Iterate to get the text as it comes.

    `release_id` and `rollout_id` are known from the start, `usage` and `finish_reason` (`stop` or `length`)
    once the iteration has ended. Closing early tells the model's server that nobody listens any more.

    Raises:
        StreamBrokenError: the stream ended without its end mark.
        ChatError: the server sent an error in the middle; see its classes.
    """

    def __init__(self, parts: Iterable[Any], *, custom_attributes: str = "") -> None:
        self._parts = parts
        self._closed = threading.Event()
        attributes = dict(pair.partition("=")[::2] for pair in custom_attributes.split(";"))
        self.release_id = attributes.get("release", "")
        self.rollout_id = attributes.get("rollout", "")
        self.usage: Usage | None = None
        self.finish_reason = ""

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self._texts()
        except _BROKEN as error:
            if not self._closed.is_set():
                raise StreamBrokenError(
                    f"the answer broke off ({error}); ask again", retryable=True, release_id=self.release_id
                ) from error
        finally:
            self._hang_up()

    def _texts(self) -> Iterator[str]:
        for data in _event_data(self._bytes()):
            if data == _DONE:
                return
            try:
                text = self._read(json.loads(data))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise ModelFailedError(
                    f"the model's server sent an event that is no chat chunk: {data[:200]}", release_id=self.release_id
                ) from error
            if text:
                yield text
        if not self._closed.is_set():
            raise StreamBrokenError(
                "the answer ended without its end mark, so it may be incomplete; ask again",
                retryable=True,
                release_id=self.release_id,
            )

    def _bytes(self) -> Iterator[bytes]:
        for part in self._parts:
            if self._closed.is_set():
                return
            yield part["PayloadPart"]["Bytes"]

    def _read(self, chunk: dict[str, Any]) -> str:
        if "error" in chunk:
            raise _refusal(chunk["error"], status=None)
        # The container names the release first, then what it runs.
        self.release_id = self.release_id or chunk.get("system_fingerprint", "").partition("-")[0]
        usage = chunk.get("usage")
        if usage:
            self.usage = Usage(usage["prompt_tokens"], usage["completion_tokens"])
        if not chunk["choices"]:
            return ""
        choice = chunk["choices"][0]
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        return str(choice["delta"].get("content", ""))

    def close(self) -> None:
        """Stop listening. From another thread too: the iteration then ends with the next bytes that come."""
        self._closed.set()

    def _hang_up(self) -> None:
        hang_up = getattr(self._parts, "close", None)
        if hang_up is not None:
            hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._hang_up()


def open_chat(runtime: "SageMakerRuntimeClient", endpoint_name: str, body: dict[str, Any]) -> ChatStream:
    """Ask; returns when the server has accepted the question.

    Raises:
        EndpointNotFoundError, ModelBusyError, RequestRefusedError, ModelFailedError: see their docstrings.
        CredentialsError, AccessDeniedError, AwsUnreachableError, AwsRefusedError: nothing reached the model.
    """
    try:
        answer = runtime.invoke_endpoint_with_response_stream(
            EndpointName=endpoint_name,
            ContentType="application/json",
            Accept="text/event-stream",
            Body=json.dumps(body).encode(),
        )
    except AWS_ERRORS as error:
        raise _translate(error, endpoint_name) from error
    return ChatStream(answer["Body"], custom_attributes=answer.get("CustomAttributes", ""))


def _translate(error: Exception, endpoint_name: str) -> SlipwayError:
    if not isinstance(error, boto.ClientError):
        return in_our_words(error)
    code, message = error_code(error), error_message(error)
    if code == "ModelError":
        return _model_error(error)
    if code in {"ValidationError", "ValidationException"} and "not found" in message:
        return EndpointNotFoundError(
            f"the endpoint {endpoint_name} does not exist yet; push an artifact, or wait for the first release"
        )
    if code in _AWS_BUSY:
        return ModelBusyError(
            f"{endpoint_name} takes no request right now ({message}); try again", retryable=True, code=code
        )
    if code in _AWS_FAILED:
        return ModelFailedError(f"AWS failed on the request ({code}: {message}); try again", retryable=True)
    return in_our_words(error)


def _model_error(error: boto.ClientError) -> ChatError:
    status = int(error.response.get("OriginalStatusCode", 0))  # type: ignore[call-overload] # a field of this error alone
    original = str(error.response.get("OriginalMessage", ""))
    try:
        body = json.loads(original)["error"]
        return _refusal(body, status)
    except (ValueError, KeyError, TypeError):
        return ModelFailedError(f"the model's server answered {status} without a reason: {original[:200] or 'no body'}")


def _refusal(body: dict[str, Any], status: int | None) -> ChatError:
    message = str(body["message"])
    release_id, code = str(body.get("release", "")), str(body.get("code") or "")
    if body.get("type") == "invalid_request_error":
        return RequestRefusedError(message, release_id=release_id, code=code)
    if body.get("type") == "overloaded_error" or status in _BUSY_STATUS:
        wait_s = body.get("retryAfterSeconds")
        return ModelBusyError(message, retryable=True, retry_after_s=wait_s, release_id=release_id, code=code)
    return ModelFailedError(message, release_id=release_id, code=code)


def _event_data(parts: Iterable[bytes]) -> Iterator[str]:
    """The `data:` of each server-sent event; events may be cut anywhere between parts. Comments are heartbeats."""
    buffer = b""
    for part in parts:
        buffer = (buffer + part).replace(b"\r\n", b"\n")
        *events, buffer = buffer.split(b"\n\n")
        for event in events:
            lines = [line[5:].strip() for line in event.decode().split("\n") if line.startswith("data:")]
            if lines:
                yield "\n".join(lines)
