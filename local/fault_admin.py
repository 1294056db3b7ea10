"""The board of faults over HTTP: `/_local/faults`, JSON, beside the AWS that it troubles.

No request of an AWS client can mean this address: it goes to the machine itself, not to a bucket's host, and no bucket
may be called `_local`. Source: "General purpose bucket naming rules" in the Amazon S3 User Guide.
"""

import http
import json
import re
from collections.abc import Iterable

from local import gateway
from local.fault_json import InvalidFaultError, Json, describe_fault, parse_fault
from local.faults import FaultBoard, UnknownFaultError

_PATH = re.compile(r"/_local/faults(?:/(?P<id>[^/]+))?/?")
_MAX_BODY_BYTES = 64 * 1024
_LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost"})


class _RefusedError(Exception):
    def __init__(self, status: http.HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class FaultAdmin:
    """WSGI in front of the gateway: answers for the board's address, passes on everything else."""

    def __init__(self, board: FaultBoard, application: gateway.Application) -> None:
        self._board = board
        self._application = application

    def __call__(self, environ: gateway.Environ, start_response: gateway.StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        host = str(environ.get("HTTP_HOST", "")).rpartition(":")[0] or str(environ.get("HTTP_HOST", ""))
        if not path.startswith("/_local/") or host not in _LOCAL_HOSTS:
            return self._application(environ, start_response)
        try:
            status, content = self._answer(path, environ)
        except _RefusedError as refused:
            status, content = refused.status, {"message": str(refused)}
        except UnknownFaultError as unknown:
            status, content = http.HTTPStatus.NOT_FOUND, {"message": str(unknown)}
        except InvalidFaultError as invalid:
            status, content = http.HTTPStatus.BAD_REQUEST, {"message": str(invalid)}
        body = b"" if content is None else json.dumps(content).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _answer(self, path: str, environ: gateway.Environ) -> tuple[http.HTTPStatus, Json | None]:
        found = _PATH.fullmatch(path)
        if found is None:
            raise _RefusedError(http.HTTPStatus.NOT_FOUND, f"there is nothing at {path}; faults are at /_local/faults")
        fault_id, method = found["id"], environ["REQUEST_METHOD"]
        if method == "GET":
            faults = self._described()
            if fault_id is None:
                return http.HTTPStatus.OK, {"faults": faults}
            return http.HTTPStatus.OK, _only(faults, fault_id)
        if method == "POST" and fault_id is None:
            new_id = self._board.set(parse_fault(_body(environ)))
            return http.HTTPStatus.CREATED, _only(self._described(), new_id)
        if method == "DELETE":
            self._board.clear(fault_id)
            return http.HTTPStatus.NO_CONTENT, None
        message = (
            f"{method} {path} means nothing here; GET, POST and DELETE /_local/faults, GET and DELETE one by its id"
        )
        raise _RefusedError(http.HTTPStatus.METHOD_NOT_ALLOWED, message)

    def _described(self) -> list[Json]:
        return [describe_fault(fault_id, fault, struck) for fault_id, (fault, struck) in self._board.all().items()]


def _body(environ: gateway.Environ) -> bytes:
    # A page in a browser can send a form to any address unasked, but not JSON.
    if str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip() != "application/json":
        raise _RefusedError(http.HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the fault as Content-Type: application/json")
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > _MAX_BODY_BYTES:
        message = f"a fault of {length} bytes is too large; the limit is {_MAX_BODY_BYTES}"
        raise _RefusedError(http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    body: bytes = environ["wsgi.input"].read(length)
    return body


def _only(faults: list[Json], fault_id: str) -> Json:
    for fault in faults:
        if fault["id"] == fault_id:
            return fault
    known = ", ".join(fault["id"] for fault in faults) or "none is set"
    raise UnknownFaultError(f"there is no fault {fault_id!r}; set are: {known}")
