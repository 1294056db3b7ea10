"""What can happen to one AWS call, and to one invocation of a function."""

from enum import StrEnum

from local.faults import ApiFailure


class CallFault(StrEnum):
    """A call fails, for all the attempts that its client makes unless said otherwise."""

    THROTTLED = "throttled"
    DENIED = "denied"
    INTERNAL_ERROR = "internal-error"
    LOST_BEFORE = "lost-before"
    """The connection ends before the call had its effect."""
    LOST_AFTER = "lost-after"
    """Every attempt has its effect, and no answer ever arrives."""
    ANSWERED_TWICE = "answered-twice"
    """The first attempt has its effect and its answer is lost; the client's second attempt meets what the first did."""
    CRASHED = "crashed"
    """The call has its effect, and the function's process dies before it sees the answer."""

    @property
    def api_failure(self) -> ApiFailure | None:
        """The fault board's word for it; None: it happens inside the function's own process."""
        words = {CallFault.ANSWERED_TWICE: ApiFailure.LOST_AFTER, CallFault.CRASHED: None}
        return words[self] if self in words else ApiFailure(self.value)

    @property
    def times(self) -> int | None:
        """How many attempts of the client it strikes; None strikes all."""
        return 1 if self is CallFault.ANSWERED_TWICE else None


REFUSALS = (CallFault.THROTTLED, CallFault.INTERNAL_ERROR, CallFault.LOST_BEFORE)
"""What never had an effect and may succeed later. `release.adapters.aws.translated` makes one error of them all, and a
machine knows an error by its name alone: where a function answers with that name, one of the three stands for all."""
REFUSED = "ServiceUnavailableError"


class InvocationFault(StrEnum):
    """A function runs out of time. Between its first and its last call that is what CRASHED is: effects, no answer."""

    TIMED_OUT_AT_ONCE = "timed-out-at-once"
    TIMED_OUT_AT_THE_END = "timed-out-at-the-end"
