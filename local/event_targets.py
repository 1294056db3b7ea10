"""Brings a body to a queue, topic, function, state machine or event bus, with the rights of whoever sends it."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.exceptions import ConnectionError as NotConnectedError
from moto.core.exceptions import ServiceException

from local.world import ACCOUNT, World

AuthorizeService = Callable[[str, str, str, Mapping[str, str]], None]
"""Service principal, action, ARN, condition keys; raises `ServiceException` unless the resource's policy allows it."""

_ROLE_LIFE_S = 900.0  # real seconds that a role's credentials are used
_SERVER_ERRORS = 500
SERVICES = frozenset({"lambda", "states", "sqs", "sns", "events"})
"""Whose resources can be reached."""
_ACTIONS = {"lambda": "lambda:InvokeFunction", "sqs": "sqs:SendMessage", "sns": "sns:Publish"}

# Codes in "Using dead-letter queues to process undelivered events", EventBridge User Guide.
NO_PERMISSIONS, NO_RESOURCE = "NO_PERMISSIONS", "NO_RESOURCE"
FAILED_TO_ASSUME_ROLE, INVALID_PARAMETER, INVALID_JSON = "FAILED_TO_ASSUME_ROLE", "INVALID_PARAMETER", "INVALID_JSON"
THROTTLING, ERROR_FROM_TARGET = "THROTTLING", "ERROR_FROM_TARGET"
CONNECTION_FAILURE, UNKNOWN = "CONNECTION_FAILURE", "UNKNOWN"

HOPELESS = frozenset({NO_PERMISSIONS, NO_RESOURCE, FAILED_TO_ASSUME_ROLE, INVALID_PARAMETER, INVALID_JSON})
"""What no second attempt heals: EventBridge sends such an event to the dead-letter queue at once."""


class SendError(Exception):
    """The target did not take the body.

    Attributes:
        code: one of EventBridge's codes above.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Sender:
    """Who brings a body."""

    service: str
    """The principal in resource policies and trust policies, as `events.amazonaws.com`."""
    source_arn: str
    """`aws:SourceArn`: the rule, topic or function on whose behalf it comes."""
    role_arn: str | None = None
    """With a role its policies decide; without, the target's own policy does."""


class Targets:
    """Args:
    authorize: judges a service that comes without a role.
    """

    def __init__(self, world: World, authorize: AuthorizeService | None = None) -> None:
        self._world = world
        self._authorize = authorize
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, str], tuple[float, dict[str, str]]] = {}

    def send(self, arn: str, body: str, sender: Sender, attributes: Mapping[str, str] | None = None) -> None:
        """Give one body to the resource that the ARN names.

        Args:
            attributes: message attributes, for queues and topics.

        Raises:
            SendError: it was refused, or never arrived.
        """
        service = service_of(arn)
        deliver = {
            "lambda": self._to_lambda,
            "states": self._to_states,
            "sqs": self._to_sqs,
            "sns": self._to_sns,
            "events": self._to_bus,
        }.get(service)
        if deliver is None:
            raise SendError(
                INVALID_PARAMETER, f"local AWS does not emulate targets of {service or 'no service'}: {arn}"
            )
        credentials = self._credentials(service, arn, sender)
        try:
            deliver(arn, body, attributes or {}, credentials)
        except (ClientError, BotoCoreError) as error:
            raise SendError(code_of(error), str(error)) from error

    def session(self, role_arn: str, service: str) -> dict[str, str]:
        """Credentials of a role for a service.

        Raises:
            SendError: there is no such role, or it does not trust the service.
        """
        with self._lock:
            until, credentials = self._sessions.get((role_arn, service), (0.0, {}))
            if time.monotonic() > until:
                try:
                    credentials = self._world.role_credentials(role_arn, service.partition(".")[0], service)
                except (ClientError, BotoCoreError) as error:
                    raise SendError(FAILED_TO_ASSUME_ROLE, str(error)) from error
                self._sessions[role_arn, service] = (time.monotonic() + _ROLE_LIFE_S, credentials)
            return credentials

    def _credentials(self, service: str, arn: str, sender: Sender) -> dict[str, str] | None:
        """The role's; None for a service in its own name, once the target's policy has let it in."""
        if sender.role_arn is not None:
            return self.session(sender.role_arn, sender.service)
        if service == "states":
            raise SendError(NO_PERMISSIONS, f"{sender.service} needs a role to start {arn}; give the target a RoleArn")
        if service in _ACTIONS and self._authorize is not None:
            context = {"aws:SourceArn": sender.source_arn, "aws:SourceAccount": ACCOUNT}
            try:
                self._authorize(sender.service, _ACTIONS[service], arn, context)
            except ServiceException as error:
                raise SendError(NO_PERMISSIONS, str(error.message)) from error
        return None

    def _to_lambda(self, arn: str, body: str, _: Mapping[str, str], credentials: dict[str, str] | None) -> None:
        client = self._world.client("lambda", credentials)
        client.invoke(FunctionName=arn, InvocationType="Event", Payload=body)

    def _to_states(self, arn: str, body: str, _: Mapping[str, str], credentials: dict[str, str] | None) -> None:
        client = self._world.client("stepfunctions", credentials)
        client.start_execution(stateMachineArn=arn, input=body, name=str(uuid.uuid4()))

    def _to_sqs(self, arn: str, body: str, attributes: Mapping[str, str], credentials: dict[str, str] | None) -> None:
        account, name = arn.split(":")[4:6]
        url = f"{self._world.url}/{account}/{name}"
        client = self._world.client("sqs", credentials)
        client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=_message_attributes(attributes))

    def _to_sns(self, arn: str, body: str, attributes: Mapping[str, str], credentials: dict[str, str] | None) -> None:
        client = self._world.client("sns", credentials)
        client.publish(TopicArn=arn, Message=body, MessageAttributes=_message_attributes(attributes))

    def _to_bus(self, arn: str, body: str, _: Mapping[str, str], credentials: dict[str, str] | None) -> None:
        event = json.loads(body)
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
            "Resources": event["resources"],
            "EventBusName": arn,
        }
        answer = self._world.client("events", credentials).put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            refused = answer["Entries"][0]
            raise SendError(INVALID_PARAMETER, f"{refused['ErrorCode']}: {refused['ErrorMessage']}")


def service_of(arn: str) -> str:
    """The service in an ARN; empty if it is none."""
    return (arn.split(":") + [""] * 3)[2]


def code_of(error: ClientError | BotoCoreError) -> str:
    """EventBridge's word for why a target's API refused."""
    if not isinstance(error, ClientError):
        return CONNECTION_FAILURE if isinstance(error, NotConnectedError) else UNKNOWN
    code, status = str(error.response["Error"]["Code"]), error.response.get("ResponseMetadata", {})
    words = {
        NO_PERMISSIONS: ("AccessDenied", "AuthorizationError", "NotAuthorized", "UnrecognizedClient"),
        THROTTLING: ("Throttl", "TooManyRequests", "SlowDown", "RequestLimitExceeded"),
        NO_RESOURCE: ("NotFound", "DoesNotExist", "NonExistent", "NoSuch"),
        INVALID_PARAMETER: ("Invalid", "Validation", "NotImplemented", "TooLarge", "Unsupported"),
    }
    for meaning, parts in words.items():
        if any(part in code for part in parts):
            return meaning
    return ERROR_FROM_TARGET if int(status.get("HTTPStatusCode", 0)) >= _SERVER_ERRORS else UNKNOWN


def _message_attributes(attributes: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {name: {"DataType": "String", "StringValue": value or "-"} for name, value in attributes.items()}
