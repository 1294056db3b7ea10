"""What a caller says beside the body: SageMaker lets `X-Amzn-SageMaker-Custom-Attributes` through and little else.

`deadline=12.5;first-token=0.5;priority=1;salt=acme;trace=…`, each at most once, in any order (`events/serving/
request-attributes`). Names that are not ours are the caller's own and are ignored.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.protocol import Submit
from server.errors import ServingError

HEADER = "X-Amzn-SageMaker-Custom-Attributes"
# 60 s and 8 min are SageMaker's; ours come first so that the caller hears why.
# https://docs.aws.amazon.com/sagemaker/latest/dg/deploy-model-options.html
UNARY_S = 55.0
STREAM_S = 470.0
_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?")
_PRIORITY = re.compile(r"-?[0-2]")
_WORD = re.compile(r"[\x21-\x3a\x3c-\x7e]{1,128}")


@dataclass(frozen=True)
class Attributes:
    deadline_s: float | None = None
    """Seconds from arrival after which the whole answer is worth nothing."""
    first_token_s: float | None = None
    """Seconds from arrival after which the first token is worth nothing."""
    priority: int | None = None
    salt: str | None = None
    trace: str | None = None
    """Said again in the answer's attributes."""

    def limits(self, *, stream: bool) -> "Limits":
        """The caller's, as far as SageMaker's own allow."""
        longest = STREAM_S if stream else UNARY_S
        answer_s = min(self.deadline_s or longest, longest)
        return Limits(answer_s, min(self.first_token_s or UNARY_S, UNARY_S, answer_s))

    def apply(self, submit: Submit, limits: "Limits") -> Submit:
        """What stands here counts more than the body: whoever invokes the endpoint for others writes it."""
        return replace(
            submit,
            deadline_s=limits.answer_s,
            priority=submit.priority if self.priority is None else self.priority,
            cache_salt=submit.cache_salt if self.salt is None else self.salt,
        )


@dataclass(frozen=True)
class Limits:
    """Seconds from arrival."""

    answer_s: float
    first_token_s: float


def read_attributes(header: str) -> Attributes:
    """Raises ServingError: a name that is ours has a value that is not."""
    said = dict(part.partition("=")[::2] for part in header.split(";"))
    return Attributes(
        deadline_s=_seconds(said, "deadline"),
        first_token_s=_seconds(said, "first-token"),
        priority=_priority(said),
        salt=_match(said, "salt", _WORD, "1 to 128 visible ASCII characters without semicolon"),
        trace=_match(said, "trace", _WORD, "1 to 128 visible ASCII characters without semicolon"),
    )


def _seconds(said: Mapping[str, str], name: str) -> float | None:
    value = _match(said, name, _SECONDS, "seconds from 0.001 to 9999, such as 12.5")
    if value is not None and not float(value):
        raise _refusal(name, value, "seconds from 0.001 to 9999, such as 12.5")
    return None if value is None else float(value)


def _priority(said: Mapping[str, str]) -> int | None:
    value = _match(said, "priority", _PRIORITY, "a whole number from -2 to 2")
    return None if value is None else int(value)


def _match(said: Mapping[str, str], name: str, pattern: re.Pattern[str], wanted: str) -> str | None:
    value = said.get(name)
    if value is not None and not pattern.fullmatch(value):
        raise _refusal(name, value, wanted)
    return value


def _refusal(name: str, value: str, wanted: str) -> ServingError:
    return ServingError("invalid_request", f"{name} of {HEADER} is {value[:60]!r}; send {wanted}", param=HEADER)
