"""How failures of AWS become ours, once for all services."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnectionError

from release.errors import AccessDeniedError, ServiceUnavailableError

_TEMPORARY_STATUS = frozenset({429, 500, 502, 503, 504})
_TEMPORARY_CODES = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)

# "Common errors" of the services; S3 answers HeadObject without a body, so that only the status is left, and SNS has a
# word of its own.
_DENIED_CODES = frozenset({"403", "AccessDenied", "AccessDeniedException", "AuthorizationError"})


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))


def is_temporary(error: ClientError) -> bool:
    """Whether the same call may succeed later with nothing changed."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code_of(error) in _TEMPORARY_CODES or status in _TEMPORARY_STATUS


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what time heals into ServiceUnavailableError and a missing right into AccessDeniedError.

    Everything else comes through as it is.

    Args:
        doing: what was tried, to begin the error's sentence.
    """
    try:
        yield
    except ClientError as error:
        if code_of(error) in _DENIED_CODES:
            raise AccessDeniedError(f"{doing}: {code_of(error)}: {message_of(error)}") from error
        if not is_temporary(error):
            raise
        raise ServiceUnavailableError(f"{doing}: {code_of(error)}: {message_of(error)}; try again") from error
    except (NoConnectionError, HTTPClientError, IncompleteReadError) as error:
        raise ServiceUnavailableError(f"{doing}: {error}; try again") from error
