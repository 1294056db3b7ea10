"""What AWS does not document: each open question is a switch here, with both answers tested. Nothing else guesses."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Behaviour:
    """One answer to every open question. The defaults are the more cautious ones for whoever releases."""

    alarms_count_while_blue_waits: bool = True
    """Whether a tripped alarm still rolls back during TerminationWaitInSeconds."""
    alarms_count_while_provisioning: bool = False
    """Whether a tripped alarm ends the start of green, or waits until green is up."""
