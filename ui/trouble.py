"""What can keep an answer from coming, each a state of the page with a name and one sentence."""

from dataclasses import dataclass
from enum import StrEnum

from slipway.errors import (
    AccessDeniedError,
    AwsUnreachableError,
    ChatError,
    CredentialsError,
    EndpointNotFoundError,
    ModelBusyError,
    RequestRefusedError,
    SlipwayError,
    StreamBrokenError,
)


class Kind(StrEnum):
    """The value is what the page writes before the sentence."""

    LOADING = "Loading"
    """The model is being read into memory."""
    WAKING = "Waking"
    """The endpoint is being created."""
    OVERLOADED = "Overloaded"
    DRAINING = "Draining"
    """This instance finishes what it began and leaves; another one answers."""
    BROKEN = "Broken off"
    """Part of the answer came."""
    MISSING = "No endpoint"
    RESTING = "Resting"
    """The page asks an endpoint that failed again and again no more for a while."""
    TOO_LONG = "Too long"
    LIMITED = "Your limit"
    REFUSED = "Refused"
    UNREACHABLE = "Unreachable"
    FAILED = "Failed"


@dataclass(frozen=True)
class Trouble:
    kind: Kind
    sentence: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}"


def trouble_of(error: SlipwayError) -> Trouble:
    """The state that an error is for who reads the page."""
    return Trouble(_kind(error), sentence(str(error)))


_KINDS: tuple[tuple[type[SlipwayError], Kind], ...] = (
    (EndpointNotFoundError, Kind.MISSING),
    (ModelBusyError, Kind.OVERLOADED),
    (StreamBrokenError, Kind.BROKEN),
    (RequestRefusedError, Kind.REFUSED),
    (AwsUnreachableError, Kind.UNREACHABLE),
    (CredentialsError, Kind.UNREACHABLE),
    (AccessDeniedError, Kind.UNREACHABLE),
)
_CODES = {
    "loading": Kind.LOADING,
    "ModelNotReadyException": Kind.LOADING,
    "draining": Kind.DRAINING,
    "drained": Kind.DRAINING,
    "context_length_exceeded": Kind.TOO_LONG,
}
"""Where the server or AWS say more than the class of the error does."""


def _kind(error: SlipwayError) -> Kind:
    if isinstance(error, ChatError) and error.code in _CODES:
        return _CODES[error.code]
    return next((kind for of, kind in _KINDS if isinstance(error, of)), Kind.FAILED)


def sentence(text: str) -> str:
    """As a sentence of its own: it begins with a capital and ends with a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
