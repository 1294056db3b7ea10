"""The border between the handlers and AWS: every call is seen there, and the one that a case names is struck."""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import boto3
from botocore.config import Config
from botocore.httpsession import URLLib3Session
from moto.cloudwatch.models import cloudwatch_backends

from local.faults import ApiFault
from local.lambda_worker import Function
from local.world import ACCOUNT, REGION, World
from tests.fault_matrix.faults import CallFault, InvocationFault

# The stubs' signature has one overload per service name; here the name is a variable.
_build: Callable[..., Any] = boto3.session.Session.client
_KEY = re.compile(r"Credential=[^/]+/")


class CrashedError(BaseException):
    """The function's process is dead. No handler can catch it: it is no Exception."""


@dataclass(frozen=True, order=True)
class Site:
    """A place where a fault can strike: a function and the calls that it has made, the one to be struck last.

    No calls at all: the invocation itself. Two invocations that made the same calls are the same place.
    """

    function: str
    calls: tuple[str, ...] = ()

    def is_at(self, function: str, calls: Sequence[str]) -> bool:
        """Whether an invocation that has made these calls has come here."""
        return (self.function, self.calls) == (function, tuple(calls))


@dataclass(frozen=True, order=True)
class AnyCall(Site):
    """The first time that a function makes a call, whatever it has called before: `calls` names that one alone."""

    def is_at(self, function: str, calls: Sequence[str]) -> bool:
        return self.function == function and self.calls == tuple(calls[-1:])


@dataclass
class Aim:
    """The one place where this endpoint's case wants its fault, and whether it has struck."""

    site: Site
    fault: CallFault | InvocationFault
    struck: bool = False
    answered: str = ""
    """The name of the error that the struck function answered with; empty: it answered as if nothing had happened."""


@dataclass
class Invocation:
    function: str
    endpoint: str
    credentials: dict[str, str]
    calls: list[str] = field(default_factory=list)
    fault: InvocationFault | None = None
    striking: CallFault | None = None
    aim: Aim | None = None
    board_id: str | None = None


@dataclass
class Boundary:
    """Knows which invocation runs in which thread. Functions make all their calls in the thread of their handler.

    Args:
        now: AWS time in seconds; stamps what is recorded.
    """

    world: World
    now: Callable[[], float]
    aims: dict[str, Aim] = field(default_factory=dict)
    """Endpoint → the fault that its case wants."""
    records: dict[str, list[Invocation]] = field(default_factory=dict)
    """Endpoint → every invocation, in the order in which they began."""
    executions: dict[str, set[str]] = field(default_factory=dict)
    """Endpoint → the executions that were ever about it."""
    failures: dict[str, list[str]] = field(default_factory=dict)
    """Endpoint → tracebacks of the invocations that failed."""
    seals: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Endpoint → the newest event of a seal that its intake was given."""
    unguarded: dict[str, list[str]] = field(default_factory=dict)
    """Endpoint → a sentence for each UpdateEndpoint that named no alarm, or one that did not exist then."""
    _here: threading.local = field(default_factory=threading.local)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _building: threading.Lock = field(default_factory=threading.Lock)
    _clients: dict[str, Any] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    def begin(self, function: Function, endpoint: str) -> Invocation:
        name = function.handler.partition(".")[0]
        invocation = Invocation(name, endpoint, self._credentials(function))
        with self._lock:
            self.records.setdefault(endpoint, []).append(invocation)
            aim = self.aims.get(endpoint)
            if aim and not aim.struck and aim.site.is_at(name, ()) and isinstance(aim.fault, InvocationFault):
                aim.struck, invocation.fault = True, aim.fault
        self._here.invocation = invocation
        return invocation

    def end(self, invocation: Invocation, error: str = "") -> None:
        """
        Args:
            error: the name of the error that it answered with.
        """
        self._clear(invocation)
        if invocation.aim:
            invocation.aim.answered = error
        self._here.invocation = None

    def failed(self, invocation: Invocation, trace: str) -> None:
        self.failures.setdefault(invocation.endpoint, []).append(f"{invocation.function}: {trace}")

    def client(self, service: str, config: Config) -> Any:
        """The client of a service, for the handlers: it speaks as the function that uses it, and is struck as its case
        says."""
        with self._building:  # boto3 builds clients in one thread at a time
            if service not in self._clients:
                self._clients[service] = self._built(service, config)
            return self._clients[service]

    def _built(self, service: str, config: Config) -> Any:
        client = _build(boto3.session.Session(), service, config=config)
        signed, session = client.meta.service_model.signing_name, URLLib3Session()
        client.meta.events.register("before-call", lambda model, **_: self._called(signed, model.name))
        if service == "sagemaker":
            client.meta.events.register("before-parameter-build.sagemaker.UpdateEndpoint", self._guarded)
        client.meta.events.register("before-send", lambda request, **_: self._sent(request, session))
        return client

    def _called(self, service: str, operation: str) -> None:
        """A new call, before the first of its attempts."""
        invocation: Invocation | None = getattr(self._here, "invocation", None)
        if invocation is None:
            return
        self._clear(invocation)
        invocation.calls.append(f"{service}:{operation}")
        aim = self.aims.get(invocation.endpoint)
        if aim is None or aim.struck or not isinstance(aim.fault, CallFault):
            return
        if not aim.site.is_at(invocation.function, invocation.calls):
            return
        aim.struck = True
        invocation.striking, invocation.aim = aim.fault, aim
        if failure := aim.fault.api_failure:
            caller = f"*/{invocation.credentials['session']}"
            fault = ApiFault(
                failure=failure, service=service, operation=operation, caller=caller, times=aim.fault.times
            )
            invocation.board_id = self.world.faults.set(fault)

    def _guarded(self, params: dict[str, Any], **_: Any) -> None:
        """Look, at the moment of an update, whether its alarms are there."""
        invocation: Invocation | None = getattr(self._here, "invocation", None)
        if invocation is None:
            return
        named = params.get("DeploymentConfig", {}).get("AutoRollbackConfiguration", {}).get("Alarms", [])
        names = {alarm["AlarmName"] for alarm in named}
        missing = names - cloudwatch_backends[ACCOUNT][REGION].alarms.keys()
        if not names or missing:
            sentence = (
                f"{params['EndpointConfigName']} was to serve with {len(names)} alarms, without {sorted(missing)}"
            )
            self.unguarded.setdefault(invocation.endpoint, []).append(sentence)

    def _sent(self, request: Any, session: URLLib3Session) -> Any:
        """One attempt: signed anew, because the embedded AWS goes by the access key alone."""
        invocation: Invocation | None = getattr(self._here, "invocation", None)
        if invocation is None:
            return None
        credentials = invocation.credentials
        value = request.headers["Authorization"]
        text = value.decode() if isinstance(value, bytes) else value
        request.headers["Authorization"] = _KEY.sub(f"Credential={credentials['AccessKeyId']}/", text)
        if invocation.striking is CallFault.CRASHED:
            session.send(request)
            raise CrashedError
        return None

    def _clear(self, invocation: Invocation) -> None:
        if invocation.board_id:
            self.world.faults.clear(invocation.board_id)
        invocation.board_id = invocation.striking = None

    def _credentials(self, function: Function) -> dict[str, str]:
        """A session of the function's role, of its own for each invocation that runs at the same time."""
        with self._lock:
            number = next(self._numbers)
        session = f"{function.name}-{number}"[-64:]
        credentials = self.world.role_credentials(function.role_arn, session, "lambda.amazonaws.com")
        return {**credentials, "session": session}
