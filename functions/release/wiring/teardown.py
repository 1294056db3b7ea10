"""Whether the stack may go."""

from functools import cache

from botocore.httpsession import URLLib3Session

from release.adapters.stack_answers import StackAnswers
from release.flows.tearing_down import TearingDown
from release.wiring import clients, fleet, records


@cache
def tearing_down() -> TearingDown:
    return TearingDown(records.table(), fleet.serving(), clients.stack())


@cache
def stack_answers() -> StackAnswers:
    return StackAnswers(URLLib3Session())
