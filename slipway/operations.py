"""What a person does to an endpoint: an execution of the operate machine, the same that the console would start."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.aws import Aws
from slipway.aws_errors import translated
from slipway.errors import OperationRefusedError, RolloutTimeoutError, UsageError
from slipway.words import actor_of, endpoint_names, instant, reason_of, release_id_of, rollout_id_of

GATES = ("preflight", "bake")
_POLL_S = 0.25
_ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})


@dataclass(frozen=True)
class Operated:
    """What was done, in a sentence; `why`, `ran` and `provenance` hold what the question of that name found.

    As `events/release/operate-output` has them; None where the verb asked something else.
    """

    verb: str
    endpoint: str
    sentence: str
    execution_arn: str
    rollout_id: str | None = None
    why: Mapping[str, Any] | None = None
    ran: Mapping[str, Any] | None = None
    provenance: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Swept:
    """`report`: the sums over all endpoints; `endpoints`: what was found at each (`release.contracts.sweep`)."""

    sentence: str
    dry_run: bool
    execution_arn: str
    report: Mapping[str, Any]
    endpoints: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Execution:
    arn: str
    status: str
    output: Any
    """Parsed; None while it runs and when it failed."""
    reason: str
    """Why it failed; empty otherwise."""


@dataclass(frozen=True)
class Operations:
    aws: Aws

    def start(self, machine_output: str, what: str, asked: Mapping[str, Any]) -> str:
        """Start a machine; the execution's ARN. It is named, so that a start that is sent twice is one start."""
        name = f"{what}-{uuid.uuid4().hex[:12]}"
        machine = self.aws.output(machine_output)
        with translated():
            return self.aws.machines.start_execution(stateMachineArn=machine, name=name, input=json.dumps(asked))[
                "executionArn"
            ]

    def look(self, arn: str) -> Execution:
        with translated():
            found = self.aws.machines.describe_execution(executionArn=arn)
        status = found["status"]
        output = json.loads(found["output"]) if status == "SUCCEEDED" and "output" in found else None
        reason = (found.get("cause") or found.get("error") or status) if status in _ENDED - {"SUCCEEDED"} else ""
        return Execution(arn, status, output, reason)

    def operate(self, asked: Mapping[str, Any], timeout_s: float = 120.0) -> Operated:
        """Ask the operate machine and wait for its answer.

        Args:
            asked: `events/release/operate-input`.
            timeout_s: how long to wait, in seconds; the execution goes on without us.

        Raises:
            OperationRefusedError: it cannot be done; nothing was changed, and the message is the machine's reason.
            RolloutTimeoutError: no answer yet.
        """
        arn = self.start("OperateStateMachineArn", f"{asked['verb']}-{asked['endpoint']}", asked)
        execution = self._ended(arn, timeout_s)
        if execution.status != "SUCCEEDED":
            raise OperationRefusedError(
                f"{asked['endpoint']}: {execution.reason}; `slipway why {asked['endpoint']}` tells where it stands"
            )
        answer = execution.output
        return Operated(
            verb=answer["verb"],
            endpoint=answer["endpoint"],
            sentence=answer["sentence"],
            execution_arn=arn,
            rollout_id=answer.get("rolloutId"),
            why=answer.get("why"),
            ran=answer.get("ran"),
            provenance=answer.get("provenance"),
        )

    def sweep(self, asked: Mapping[str, Any], timeout_s: float = 900.0) -> Swept:
        """Ask the sweep machine and wait for its report.

        Args:
            asked: `events/release/sweep-input`.
            timeout_s: how long to wait, in seconds; the execution goes on without us.

        Raises:
            OperationRefusedError: an endpoint could not be swept; the message names each and why.
            RolloutTimeoutError: no report yet.
        """
        arn = self.start("SweepStateMachineArn", "sweep", asked)
        execution = self._ended(arn, timeout_s)
        if execution.status != "SUCCEEDED":
            raise OperationRefusedError(
                f"the sweep is not complete: {execution.reason}; what was swept is swept, and asking again is safe"
            )
        report = execution.output["report"]
        dry_run = bool(asked.get("dryRun"))
        return Swept(report["sentence"], dry_run, arn, report, execution.output["endpoints"])

    def _ended(self, arn: str, timeout_s: float) -> Execution:
        deadline = time.monotonic() + timeout_s
        while (execution := self.look(arn)).status not in _ENDED:
            if time.monotonic() > deadline:
                raise RolloutTimeoutError(f"{arn} has not answered after {timeout_s:.0f} s; look at that execution")
            time.sleep(_POLL_S)
        return execution

    def whoami(self) -> str:
        """The credentials' own name, for the ledger: GetCallerIdentity, which needs no permission."""
        with translated():
            return self.aws.sts.get_caller_identity()["Arn"]


class OperatorVerbs:
    """The verbs of the operate machine, one method each. All take effect once however often they are asked.

    Args that they share:
        reason: why, 1 to 1000 characters; it goes into the ledger.
        rollout: a rollout id; without it the rollout that holds the endpoint's lease, or the only one under way.
        actor: who does it, for the ledger; the credentials' own name (GetCallerIdentity) without it.

    Raises (every method):
        UsageError: a name, an id, a time or a reason that cannot be right; nothing was asked of AWS.
        OperationRefusedError: it cannot be done now; nothing was changed, and the message says why.
        RolloutTimeoutError: the machine did not answer within two minutes.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def pause(self, endpoint: str, *, reason: str, rollout: str | None = None, actor: str | None = None) -> Operated:
        """Hold a rollout before it takes its turn or moves traffic."""
        return self._do("pause", endpoint, reason, rollout, actor)

    def resume(self, endpoint: str, *, reason: str, rollout: str | None = None, actor: str | None = None) -> Operated:
        """Let a paused rollout go on."""
        return self._do("resume", endpoint, reason, rollout, actor)

    def approve(self, endpoint: str, *, reason: str, rollout: str | None = None, actor: str | None = None) -> Operated:
        """Let a rollout move traffic that waits for a person's word."""
        return self._do("approve", endpoint, reason, rollout, actor)

    def abort(self, endpoint: str, *, reason: str, rollout: str | None = None, actor: str | None = None) -> Operated:
        """End a rollout at any moment before its finish line; what served before goes on serving."""
        return self._do("abort", endpoint, reason, rollout, actor)

    def freeze(
        self, endpoint: str, *, reason: str, until: datetime | None = None, actor: str | None = None
    ) -> Operated:
        """Take no release but a rollback, until an instant or until somebody unfreezes the endpoint."""
        extra = {"until": instant(until)} if until else {}
        return self._do("freeze", endpoint, reason, None, actor, **extra)

    def unfreeze(self, endpoint: str, *, reason: str, actor: str | None = None) -> Operated:
        """End a freeze."""
        return self._do("unfreeze", endpoint, reason, None, actor)

    def wake(self, endpoint: str, *, reason: str, actor: str | None = None) -> Operated:
        """Let whoever waits at the endpoint look again; what still holds a rollout back, still does."""
        return self._do("wake", endpoint, reason, None, actor)

    def remove(self, endpoint: str, *, reason: str, actor: str | None = None) -> Operated:
        """Take a frozen endpoint down; its releases and their bytes stay, so that a rollback makes it again."""
        return self._do("remove", endpoint, reason, None, actor)

    def what_ran(self, endpoint: str, *, at: datetime | None = None) -> Operated:
        """Which release served at an instant, which knows its time zone; now without it."""
        endpoint_names(self._operations.aws.stack, endpoint)
        asked = {"verb": "what-ran", "endpoint": endpoint}
        return self._operations.operate(asked | ({"asOf": instant(at)} if at else {}))

    def provenance(self, endpoint: str, release: str) -> Operated:
        """Where a release comes from, as the stack's own function finds it: for whom may read no bucket."""
        endpoint_names(self._operations.aws.stack, endpoint)
        asked = {"verb": "provenance", "endpoint": endpoint, "release": release_id_of(release, endpoint)}
        return self._operations.operate(asked)

    def sweep(
        self,
        endpoint: str | None = None,
        *,
        dry_run: bool = False,
        grace_s: int | None = None,
        reason: str | None = None,
    ) -> Swept:
        """Find lost events, dead rollouts, drift and leftovers, and mend what is safe.

        Args:
            endpoint: this one only; every one without it.
            dry_run: say what would be done and change nothing.
            grace_s: how many seconds what nobody needs is kept before it is collected, 0 to a year; seven days
                without it.
        """
        if endpoint is not None:
            endpoint_names(self._operations.aws.stack, endpoint)
        asked = {
            "endpoint": endpoint,
            "dryRun": dry_run or None,
            "graceSeconds": grace_s,
            "reason": reason_of(reason) if reason is not None else None,
        }
        return self._operations.sweep({name: value for name, value in asked.items() if value is not None})

    def why(self, endpoint: str) -> Operated:
        """Where the endpoint stands and what it waits for; changes nothing."""
        endpoint_names(self._operations.aws.stack, endpoint)
        return self._operations.operate({"verb": "why", "endpoint": endpoint})

    def release_lease(self, endpoint: str, *, reason: str, actor: str | None = None) -> Operated:
        """Break the glass: take the lease from the rollout that holds it; it can then write nothing any more."""
        return self._do("release-lease", endpoint, reason, None, actor)

    def adopt(self, endpoint: str, *, reason: str, actor: str | None = None) -> Operated:
        """Break the glass: let the record say what the endpoint runs, where that is a release of ours."""
        return self._do("adopt", endpoint, reason, None, actor)

    def skip_gate(
        self, endpoint: str, *, gate: str, reason: str, rollout: str | None = None, actor: str | None = None
    ) -> Operated:
        """Break the glass: let a rollout go on without `preflight` or `bake`; its record says who wished it."""
        if gate not in GATES:
            raise UsageError(f"{gate!r} is no gate that can be skipped; name one of {', '.join(GATES)}")
        return self._do("skip-gate", endpoint, reason, rollout, actor, gate=gate)

    def _do(self, verb: str, endpoint: str, reason: str, *who: str | None, **extra: str) -> Operated:
        rollout, actor = who
        endpoint_names(self._operations.aws.stack, endpoint)
        asked = {"verb": verb, "endpoint": endpoint, "reason": reason_of(reason), **extra}
        if rollout is not None:
            asked["rollout"] = rollout_id_of(rollout, endpoint)
        asked["actor"] = actor_of(actor) if actor is not None else self._operations.whoami()
        return self._operations.operate(asked)
