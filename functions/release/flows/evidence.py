"""What the judge's own questions and CloudWatch say of both fleets, laid together for a verdict."""

from dataclasses import dataclass

from release.contracts.table import ArmProbes, BakeProbes
from release.domain.evidence import Arm, Evidence, Point, Series
from release.domain.probes import ChatAnswer

MAX_LATENCIES = 300
"""That a record keeps of one fleet; a DynamoDB item holds 400 KB."""
OWN_LATENCY = "probe latency"
# A validator is built when it is first used, and that should not be at import.
NOTHING = ArmProbes.model_construct(asked=0, errors=0, latencies_ms=())


@dataclass(frozen=True, slots=True)
class Measured:
    """CloudWatch's part. `blue` is of while green serves, `recorded` of the hour before."""

    green: Arm
    blue: Arm
    recorded: Arm


def counted(arm: ArmProbes, answer: ChatAnswer, *, warm: bool) -> ArmProbes:
    """One more answer; its time counts once the fleet is warm, and only if it was an answer."""
    timed = (round(1000 * answer.latency_s),) if warm and not answer.error else ()
    return ArmProbes(
        asked=arm.asked + 1,
        errors=arm.errors + bool(answer.error),
        latencies_ms=(*arm.latencies_ms, *timed)[-MAX_LATENCIES:],
    )


def evidence_of(probes: BakeProbes, measured: Measured, warm_up_s: float) -> Evidence:
    """Blue counts beside green only where it answered beside green."""
    beside = _joined(probes.blue, measured.blue, warm_up_s)
    return Evidence(
        green=_joined(probes.green, measured.green, warm_up_s),
        blue=beside if beside.errors().trials else None,
        recorded=_joined(probes.recorded, measured.recorded, warm_up_s),
    )


def _joined(asked: ArmProbes, measured: Arm, warm_up_s: float) -> Arm:
    points = tuple(Point(warm_up_s, ms) for ms in asked.latencies_ms)
    own = (Series(OWN_LATENCY, None, points),) if points else ()
    return Arm(
        requests=measured.requests,
        server_errors=measured.server_errors,
        client_errors=measured.client_errors,
        probes=asked.asked,
        probe_errors=asked.errors,
        latency=(*measured.latency, *own),
    )
