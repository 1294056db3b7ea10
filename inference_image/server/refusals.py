"""Every error that a request can end with, in the server's own words."""

import logging

from sanic.exceptions import MethodNotAllowed, NotFound, PayloadTooLarge, SanicException

from server.body import BODY_BYTES_MAX
from server.errors import ServingError

logger = logging.getLogger(__name__)

HEADER_BYTES_MAX = 8 << 10


def as_serving_error(error: Exception) -> ServingError:
    """What is unforeseen goes to the log; the caller hears its type only."""
    match error:
        case ServingError():
            return error
        case NotFound():
            return ServingError("not_found", "no such path; POST /invocations answers, GET /ping tells the state")
        case MethodNotAllowed():
            return ServingError("method_not_allowed", f"{error}; POST /invocations answers, GET /ping tells the state")
        case PayloadTooLarge():
            limit = HEADER_BYTES_MAX if "header" in str(error) else BODY_BYTES_MAX
            return ServingError("body_too_large", f"{error}; the limit is {limit} bytes, so send less")
        case SanicException() if error.status_code < 500:  # noqa: PLR2004 - HTTP's own border
            return ServingError("invalid_request", f"{error}; send a well-formed HTTP request")
        case _:
            logger.error("unforeseen error in a request", exc_info=error)
            return ServingError("engine_failed", f"unforeseen {type(error).__name__}; the server's log has the cause")
