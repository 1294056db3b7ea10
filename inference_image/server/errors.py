"""What the server refuses or fails, in the words of `events/serving/error`."""

from typing import Any, Literal

Code = Literal[
    "invalid_json",
    "invalid_request",
    "unknown_field",
    "context_length_exceeded",
    "no_chat_template",
    "body_too_large",
    "not_supported",
    "unknown_session",
    "queue_full",
    "deadline_unreachable",
    "loading",
    "draining",
    "drained",
    "deadline_exceeded",
    "out_of_memory",
    "engine_stalled",
    "engine_failed",
    "not_found",
    "method_not_allowed",
]

_STATUS: dict[str, int] = {
    "invalid_json": 400,
    "invalid_request": 400,
    "unknown_field": 400,
    "context_length_exceeded": 400,
    "no_chat_template": 400,
    "body_too_large": 413,
    "not_supported": 400,
    "unknown_session": 400,
    "queue_full": 429,
    "deadline_unreachable": 429,
    "loading": 503,
    "draining": 503,
    "drained": 503,
    "deadline_exceeded": 504,
    "out_of_memory": 503,
    "engine_stalled": 503,
    "engine_failed": 500,
    "not_found": 404,
    "method_not_allowed": 405,
}
# Codes that time heals, and the seconds after which to ask again.
_RETRY_AFTER_S: dict[str, float] = {
    "queue_full": 1.0,
    "deadline_unreachable": 1.0,
    "loading": 5.0,
    "draining": 5.0,
    "drained": 5.0,
    "deadline_exceeded": 1.0,
    "out_of_memory": 1.0,
    "engine_stalled": 5.0,
}
_OVERLOADED = frozenset({"queue_full", "deadline_unreachable", "loading", "draining", "drained", "out_of_memory"})
# The whole body must fit the 2,048 characters that callers see of it behind SageMaker.
_MESSAGE_CHARACTERS = 1200


class ServingError(Exception):
    """Ends one request. Worth retrying exactly if `retry_after_s` is not None.

    Args:
        message: one sentence: what is wrong, the number and the limit, what to do next.
        param: the field of the body that is at fault.
        retry_after_s: when to ask again, if more is known than the code tells.
        status: HTTP status, if it is another than the code's own.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
        self.param = param
        self.retry_after_s = _RETRY_AFTER_S.get(code) if retry_after_s is None else retry_after_s
        self.status = _STATUS[code] if status is None else status

    def body(self, release_id: str, rollout_id: str) -> dict[str, Any]:
        fault = "server_error" if self.status >= 500 else "invalid_request_error"  # noqa: PLR2004 - HTTP's own border
        return {
            "error": {
                "message": self.message[:_MESSAGE_CHARACTERS],
                "type": "overloaded_error" if self.code in _OVERLOADED else fault,
                "code": self.code,
                "param": self.param if self.param is None else self.param[:100],
                "retryAfterSeconds": self.retry_after_s,
                "release": release_id,
                "rollout": rollout_id,
            }
        }
