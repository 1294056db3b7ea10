"""The one address of the embedded AWS: SageMaker's requests go to the twin, all others to moto."""

import contextlib
import io
import json
import logging
import re
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.refusals import REFUSED_CODE, REFUSED_STATUS, operation_name, refusal_message
from local.wire_errors import AwsFailure, error_answer

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_DRAIN_LIMIT_BYTES, _DRAIN_STEP_BYTES = 64 * 1024 * 1024, 64 * 1024

logger = logging.getLogger(__name__)


class Gateway:
    """Args:
    sagemaker: answers SageMaker's control plane and runtime.
    """

    def __init__(self, sagemaker: Application) -> None:
        self._sagemaker = sagemaker
        self._moto: Application = DomainDispatcherApplication(_moto_application)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if is_sagemaker(environ):
            return self._sagemaker(environ, start_response)
        return self._from_moto(environ, start_response)

    def _from_moto(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        form = form_of(environ)
        asked = dict(environ)
        said: list[Any] = []
        try:
            parts = self._moto(environ, lambda *answer: said.append(answer))
        except NotImplementedError:
            return _refuse(asked, form, start_response)
        (status, headers, *_) = said[-1]
        # An address that moto does not know gets its web framework's page, which no client of AWS can read. A HEAD has
        # no page: its 404 is the answer that the object is not there.
        page = "text/html" in dict(headers).get("Content-Type", "") and environ["REQUEST_METHOD"] != "HEAD"
        if status.startswith("404") and page:
            return _refuse(asked, form, start_response)
        start_response(status, headers)
        return parts


def is_sagemaker(environ: Environ) -> bool:
    """Runtime calls carry no target; a bucket may be called `endpoints`, so the signature's service decides."""
    if str(environ.get("HTTP_X_AMZ_TARGET", "")).startswith("SageMaker."):
        return True
    return str(environ.get("PATH_INFO", "")).startswith("/endpoints/") and signed_service(environ) in {
        "sagemaker",
        None,
    }


def signed_service(environ: Environ) -> str | None:
    """The service that the request's signature names, in its header or in its presigned address; None if it has no
    signature."""
    _, found, scope = str(environ.get("HTTP_AUTHORIZATION", "")).partition("Credential=")
    if not found:
        query = str(environ.get("QUERY_STRING", ""))
        if "AWSAccessKeyId=" in query:
            return "s3"  # the older signature, which S3 alone still takes
        _, found, scope = query.partition("X-Amz-Credential=")
    parts = unquote(re.split("[,&]", scope, maxsplit=1)[0]).strip().split("/")
    return parts[3] if found and len(parts) == 5 else None  # noqa: PLR2004 - key, date, region, service, aws4_request


def _moto_application(service: Any) -> Any:
    if service is None:
        raise NotImplementedError("moto has no such service")
    application = create_backend_app(service)
    # Flask's debug mode makes a class of each request that refers to it, so its body stays until a garbage collection.
    application.debug = False
    application.config["PROPAGATE_EXCEPTIONS"] = True  # as in debug mode: the gateway says what broke
    return application


def form_of(environ: Environ) -> bytes:
    """A form-encoded body, which stays readable."""
    if not str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        return b""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _refuse(environ: Environ, form: bytes, start_response: StartResponse) -> Iterable[bytes]:
    service = signed_service(environ) or "unsigned requests"
    message = refusal_message(service, operation_name(service, environ, form))
    failure = AwsFailure(REFUSED_CODE, message, REFUSED_STATUS)
    status, headers, body = error_answer(service, environ, form, failure)
    start_response(status, headers)
    return [body]


def bind(port: int) -> socket.socket:
    """Listen on a port of 127.0.0.1; 0 asks the system for a free one.

    Raises:
        OSError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(256)
    except OSError:
        listener.close()
        raise
    return listener


def server_on(listener: socket.socket, application: Application) -> Any:
    """A threaded HTTP/1.1 server that keeps connections and streams answers."""
    host, port = listener.getsockname()
    server: Any = make_server(
        host, port, application, threaded=True, request_handler=_RequestHandler, fd=listener.fileno()
    )
    server.daemon_threads = True
    server.connections = set()
    return server


def close(server: Any) -> None:
    """Stop serving, on connections that clients keep open too."""
    server.shutdown()
    server.server_close()
    for connection in list(server.connections):
        with contextlib.suppress(OSError):  # it ended by itself
            connection.shutdown(socket.SHUT_RDWR)


class _Body(io.RawIOBase):
    """A request's body that knows its end, so that the next request on the connection can be read after it.

    Args:
        length: bytes; None if the stream ends by itself, as a chunked one does.
    """

    def __init__(self, stream: Any, length: int | None) -> None:
        super().__init__()
        self._stream = stream
        self._left = sys.maxsize if length is None else length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._left)
        data = self._stream.read(wanted) if wanted else b""
        buffer[: len(data)] = data
        self._left = self._left - len(data) if len(data) == wanted else 0
        return len(data)

    def drain(self) -> bool:
        """Read past what the service left unread; False if that is more than is worth reading."""
        return any(not self.read(_DRAIN_STEP_BYTES) for _ in range(_DRAIN_LIMIT_BYTES // _DRAIN_STEP_BYTES))


class _RequestHandler(MotoRequestHandler):
    """werkzeug closes the connection after every answer, because it cannot tell where an unread body ends. Ours can."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    timeout = 75  # real seconds that an idle connection stays
    server: Any  # with its open connections

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def run_wsgi(self) -> None:
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        self.environ = self.make_environ()
        answer = _Answer(self)
        try:
            self._run(answer)
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the client went away
        except Exception:  # a service's bug is one failed request, as AWS's InternalFailure is
            logger.exception("%s %s broke", self.command, self.path)
            self.close_connection = not answer.fail()
        if not self._body.drain():
            self.close_connection = True

    def _run(self, answer: "_Answer") -> None:
        parts = self.server.app(self.environ, answer.start)
        try:
            for part in parts:
                answer.write(part)
            answer.finish()
        finally:
            if close := getattr(parts, "close", None):
                close()

    def make_environ(self) -> Environ:
        environ: Environ = super().make_environ()
        chunked = bool(environ.get("wsgi.input_terminated"))
        self._body = _Body(environ["wsgi.input"], None if chunked else int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = self._body
        return environ

    def log_request(self, *_: Any) -> None:
        """One line per request would bury what matters; the services log what they do."""

    def log_error(self, text: str, *args: Any) -> None:
        """Of a connection that nobody used for `timeout` there is nothing to say."""
        if not any(isinstance(arg, TimeoutError) for arg in args):
            super().log_error(text, *args)


class _Answer:
    """One WSGI answer on its way to the client: chunked where its length is unknown, flushed part by part."""

    def __init__(self, handler: _RequestHandler) -> None:
        self._handler = handler
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._sent = False
        self._chunked = False

    def start(self, status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], None]:
        self._status, self._headers = status, headers
        return self.write

    def write(self, part: bytes) -> None:
        if not self._sent:
            self._send_headers()
        if not part:
            return
        out = self._handler.wfile
        out.write(b"%x\r\n%b\r\n" % (len(part), part) if self._chunked else part)
        if self._chunked:
            out.flush()

    def finish(self) -> None:
        if not self._sent:
            self._send_headers()
        if self._chunked:
            self._handler.wfile.write(b"0\r\n\r\n")
        self._handler.wfile.flush()

    def fail(self) -> bool:
        """Say that the service broke; False if the answer had begun, and then only the connection's end can say it."""
        if self._sent:
            return False
        body = json.dumps(
            {"__type": "InternalFailure", "message": "The embedded AWS failed; its log says why."}
        ).encode()
        self.start(
            "500 Internal Server Error", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        )
        self.write(body)
        self.finish()
        return True

    def _send_headers(self) -> None:
        self._sent = True
        code, _, reason = self._status.partition(" ")
        handler = self._handler
        handler.send_response(int(code), reason)
        for name, value in self._headers:
            handler.send_header(name, value)
        bodiless = handler.command == "HEAD" or code in {"204", "304"}
        if not bodiless and all(name.lower() != "content-length" for name, _ in self._headers):
            self._chunked = True
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
