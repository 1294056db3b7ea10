"""Starts a function under AWS's runtime client, with its clock set to that of the embedded AWS.

This file runs in the function's own process, which sees the function's code and its libraries, not this package.

A function's clock is set when it takes an event, and then goes at its real speed: its time-out bounds real work. So a
function never reads a time before that of the event that called it, however fast the embedded clock runs.
"""

import os
import sys
import time
from typing import Any

from awslambdaric import __main__ as runtime_client
from awslambdaric import bootstrap

_DEADLINE = 8  # which argument of the client's handle_event_request is the deadline; a test holds it to its name
_NO_MATTER_S = 0.25  # what the way of the event to this process may cost is no difference of clocks


class FunctionClock:
    """The time that this process reads, from the first event whose time is another than the machine's."""

    def __init__(self) -> None:
        self._traveller: Any = None

    def set(self, aws_s: float) -> None:
        """Args:
        aws_s: the embedded AWS's time, seconds since the epoch.
        """
        if self._traveller is not None:
            self._traveller.move_to(aws_s)
        elif abs(aws_s - time.time()) > _NO_MATTER_S:
            import time_machine  # noqa: PLC0415 - a function on the machine's own time need not wait for it

            self._traveller = time_machine.travel(aws_s, tick=True).start()


def main() -> None:
    clock = FunctionClock()
    limit_s = float(os.environ.pop("LOCAL_AWS_FUNCTION_TIMEOUT_S"))
    handle: Any = bootstrap.handle_event_request
    serve: Any = runtime_client.main

    def handle_on_time(*arguments: Any, **named: Any) -> None:
        clock.set(arguments[_DEADLINE] / 1000 - limit_s)
        handle(*arguments, **named)

    bootstrap.handle_event_request = handle_on_time
    serve(sys.argv)


if __name__ == "__main__":
    main()
