"""What must hold whatever fails: safety at every record and every call, the rest when everything has come to rest.

The numbers are those of docs/simulation.md. Nothing here asks the release package what is right: phases, orders and
names are written down a second time.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from release.contracts.table import EndpointItem, LeaseItem, RolloutItem, SealItem
from release.domain.keys import MANIFEST
from release.domain.ledger import Head, verify_chain
from release.domain.names import Names
from release.flows.stamps import read_stamp
from simulation.timeline import EPOCH, Invocation

if TYPE_CHECKING:
    from simulation.executions import Execution, Result
    from simulation.world import World

_ORDER: Mapping[str, int] = MappingProxyType(
    {
        "received": 0,
        "examined": 1,
        "planned": 2,
        "waiting": 3,
        "creating": 4,
        "preflight": 5,
        "shifting": 6,
        "baking": 7,
        "live": 8,
        "superseded": 9,
        "skipped": 9,
        "rejected": 9,
        "failed": 9,
        "rolled_back": 9,
        "aborted": 9,
        "stuck": 9,
    }
)
ENDED = frozenset(phase for phase, place in _ORDER.items() if place >= _ORDER["live"])
_CALLS_A_PERSON = "stuck"
_UNDONE = frozenset({"skipped", "rejected", "failed", "rolled_back", "aborted"})
_EARLY = frozenset({"received", "examined", "planned", "waiting"})
ADOPTED = " adopted what the endpoint runs: "
"""A person broke the glass and recorded what the endpoint runs."""
_DEEDS = ("settled", "started", "passedOver")
_NEVER = float("-inf")
_JUST_NOW_S = 130.0
"""A machine's end comes after its function's answer, which may be as old as the task's time-out."""
_HEEDED_S = 300.0
"""An abort is published within one look, 15 s or a function's time-out, and its alarm trips 30 s later."""


class Judge:
    """Collects violations, each as `<number> <invariant>: <what happened>`."""

    def __init__(self, world: "World", stack: str) -> None:
        self._world, self._stack = world, stack
        self.violations: list[str] = []
        self.unsound: set[str] = set()
        """Data prefixes of artifacts that break a rule."""
        self._taken_away: dict[str, float] = {}
        self._written_s: dict[tuple[str, str], float] = {}
        """When a person's deed came into the record of a rollout or an endpoint, by its id and the deed's instant."""
        self._replaced_s: dict[tuple[str, str], float] = {}
        """When another release took its place, by endpoint and release."""
        self._checks: dict[tuple[str, str], Callable[[Any, Any, Invocation], None]] = {
            ("serving", "create_endpoint"): self._changes_endpoint,
            ("serving", "update_endpoint"): self._updates_endpoint,
            ("serving", "delete_endpoint"): self._deletes_endpoint,
            ("serving", "ensure_model"): self._makes_model,
            ("table", "decide"): self._decides,
            ("table", "decide_endpoint"): self._decides,
        }

    @property
    def glass_broken(self) -> bool:
        """A person took a lease away: what SageMaker did for its holder is that person's to look after."""
        return bool(self._taken_away)

    def violate(self, sentence: str) -> None:
        self._world.tell(f"VIOLATION {sentence}")
        self.violations.append(sentence)

    # Functions and machines ----------------------------------------------------------------------------------------

    def died(self, function: str, error: Exception) -> None:
        self.violate(f"0 failures have names: {function} died of {type(error).__name__}: {error}")

    def state_failed(self, execution: "Execution", state: str, result: "Result") -> None:
        if result.error == "States.QueryEvaluationError":
            self.violate(f"0 failures have names: {execution.machine}, {state}: {result.cause}")

    def execution_ended(self, execution: "Execution") -> None:
        if execution.machine == "rollback" and execution.status == "SUCCEEDED":
            self._judge_brought_back(execution.output)
        if execution.machine != "release":
            return
        self._judge_left_open(execution)
        if execution.status != "SUCCEEDED":
            return
        phase = (execution.output or {}).get("phase")
        if phase not in {"live", "superseded", "skipped"}:
            self.violate(f"9 success means live: {execution.arn} succeeded as {phase}")
        if execution.given.get("planOnly") and phase != "skipped":
            self.violate(f"9 success means live: {execution.arn} was only to plan, and ended as {phase}")

    def _judge_brought_back(self, output: Any) -> None:
        """A rollback that succeeds has brought its release back, or found it there, whatever came a moment later."""
        endpoint, release_id, rollout_id = output["endpoint"], output["releaseId"], output["rolloutId"]
        record, rollout = self._world.table.endpoint(endpoint), self._world.table.rollout(endpoint, rollout_id)
        serves = record is not None and record.live_release_id == release_id
        went_live = rollout is not None and str(rollout.phase) in {"live", "superseded"}
        just_now = self._world.timeline.now_s - self._replaced_s.get((endpoint, release_id), _NEVER) < _JUST_NOW_S
        if not (serves or went_live or just_now):
            self.violate(f"9 success means live: the rollback to {release_id} succeeded, and it does not serve")

    def _judge_left_open(self, execution: "Execution") -> None:
        """Only a machine that calls a person, or that ran out of its days, may leave its rollout to the sweep."""
        if execution.error == "RolloutStuck" or execution.status == "TIMED_OUT":
            return
        rollouts = [item for item in self._world.table.items.values() if isinstance(item, RolloutItem)]
        for rollout in rollouts:
            if rollout.execution_arn == execution.arn and str(rollout.phase) not in ENDED:
                self.violate(
                    f"3 every record ends: {execution.arn} ended with {execution.error} and left its rollout "
                    f"{rollout.phase}"
                )

    # Calls ---------------------------------------------------------------------------------------------------------

    def called(self, port: str, method: str, args: Any, kwargs: Any, by: Invocation) -> None:
        """Look at a call just before it takes effect."""
        check = self._checks.get((port, method))
        if check:
            check(args, kwargs, by)

    def lease_taken_away(self, endpoint: str) -> None:
        """A person broke the glass: who is in the middle of a call cannot know yet."""
        self._taken_away[endpoint] = self._world.timeline.now_s

    def _changes_endpoint(self, args: Any, _: Any, by: Invocation) -> None:
        if self._is_people_s(args[0], by):
            self._fenced(args[0], by)
            self._not_held_back(by)

    def _not_held_back(self, by: Invocation) -> None:
        """What people decided before this look at the rollout began holds it back."""
        endpoint, rollout_id = by.event.get("endpoint", ""), by.event.get("rolloutId", "")
        rollout, record = self._world.table.rollout(endpoint, rollout_id), self._world.table.endpoint(endpoint)
        if rollout is None:
            return
        if rollout.abort and self._known_s(rollout_id, rollout.abort.at) < by.began_s:
            self.violate(f"8 people are heeded: traffic moves for {rollout_id}, whose end was asked for")
        if rollout.paused and self._known_s(rollout_id, rollout.paused.at) < by.began_s:
            self.violate(f"8 people are heeded: traffic moves for {rollout_id}, which is paused")
        if rollout.kind == "rollback":
            return
        frozen, now_s = record.frozen if record else None, self._world.timeline.now_s
        is_over = frozen and frozen.until is not None and now_s >= _seconds(frozen.until)
        if frozen and not is_over and self._known_s(endpoint, frozen.at) < by.began_s:
            self.violate(f"8 people are heeded: traffic moves for {rollout_id}, and {endpoint} is frozen")
        if self._world.policies.policy(endpoint).require_approval and rollout.approval is None:
            self.violate(f"8 people are heeded: traffic moves for {rollout_id}, and nobody has approved it")

    def _decides(self, args: Any, _: Any, __: Invocation) -> None:
        of, deed = args
        self._written_s[getattr(of, "rollout_id", of), deed.at] = self._world.timeline.now_s

    def _known_s(self, of: str, at: str) -> float:
        """From when on a look at the record sees a deed; what a person asks for takes a moment to be written."""
        return self._written_s.get((of, at), _seconds(at))

    def _is_people_s(self, name: str, by: Invocation) -> bool:
        """The endpoint that people use; a preflight has one of its own."""
        return name == Names(self._stack, by.event.get("endpoint", "")).sagemaker_endpoint

    def _fenced(self, name: str, by: Invocation) -> None:
        endpoint, rollout_id = by.event.get("endpoint", ""), by.event.get("rolloutId", "")
        lease = self._world.table.lease(endpoint)
        rollout = self._world.table.rollout(endpoint, rollout_id)
        mine = lease and rollout and (lease.holder, lease.token) == (rollout_id, rollout.lease_token)
        if not mine and self._taken_away.get(endpoint, -1.0) < by.began_s:
            holder = lease.holder if lease else ""
            self.violate(f"2 one writer: {by.function} of {rollout_id} changes {name}, the lease is {holder or 'free'}")

    def _updates_endpoint(self, args: Any, kwargs: Any, by: Invocation) -> None:
        self._fenced(args[0], by)
        self._not_held_back(by)
        rollout_id, (name, config) = by.event.get("rolloutId", ""), args
        own = self._alarms(by.event.get("endpoint", ""), rollout_id)
        states = self._world.alarms.states(sorted(own))
        unsettled = sorted(alarm for alarm, state in states.items() if state == "INSUFFICIENT_DATA")
        if set(kwargs["alarms"]) != own or set(states) != own or unsettled:
            self.violate(
                f"10 every update has its alarms: {rollout_id} updates with {sorted(kwargs['alarms'])}, "
                f"of which {sorted(states)} exist and {unsettled} have not said OK yet"
            )
        state, change = self._world.serving.describe(name), self._world.serving.changes.get(name)
        if config in {state and state.config_name, change and change.config}:
            self.violate(f"5 asked once: {rollout_id} updates {name} again to {config}")

    def _alarms(self, endpoint: str, rollout_id: str) -> set[str]:
        config = Names(self._stack, endpoint).of_rollout(rollout_id)
        return {f"{config}-{alarm}" for alarm in ("guard", "abort", "dead-man")}

    def _deletes_endpoint(self, args: Any, _: Any, by: Invocation) -> None:
        if not self._is_people_s(args[0], by):
            return
        if by.function != "sweep_endpoint":  # it settles in the name of a rollout, whose fence its flow checks
            self._fenced(args[0], by)
        record = self._world.table.endpoint(args[0].removeprefix(f"{self._stack}-"))
        state = self._world.serving.describe(args[0])
        if record and record.live_rollout_id and state and state.status != "Failed":
            self.violate(f"1 what served goes on serving: {by.function} deletes {args[0]}, which has served a release")

    def _makes_model(self, args: Any, kwargs: Any, by: Invocation) -> None:
        where = kwargs["data_uri"]
        prefix = where.removeprefix(f"s3://{self._world.artifacts.bucket}/")
        if where in self.unsound or not self._world.artifacts.sizes(prefix + MANIFEST):
            self.violate(f"7 only what was examined is served: {by.function} makes model {args[0]} of {where}")

    # Records -------------------------------------------------------------------------------------------------------

    def written(self, before: Any, after: Any) -> None:
        """Look at a record that is about to be written."""
        match after:
            case RolloutItem():
                self._rollout_written(before, after)
            case LeaseItem():
                if before and after.token < before.token:
                    self.violate(f"2 one writer: the token of {after.pk} falls from {before.token} to {after.token}")
            case EndpointItem():
                if before and before.live_release_id and before.live_release_id != after.live_release_id:
                    self._replaced_s[before.endpoint, before.live_release_id] = self._world.timeline.now_s
                if after.live_rollout_id and (before is None or before.live_rollout_id != after.live_rollout_id):
                    self._goes_live(after)

    def _rollout_written(self, before: RolloutItem | None, after: RolloutItem) -> None:
        if before is None or before.phase == after.phase:
            return
        old, new = str(before.phase), str(after.phase)
        self._world.tell(f"{after.rollout_id} is {new}: {after.reason}")
        superseded = (old, new) == ("live", "superseded")
        if _was_adopted(after):
            return
        ended_late = new in {"skipped", "rejected"} and old not in _EARLY
        if not superseded and (old in ENDED or _ORDER[new] <= _ORDER[old] or new == "superseded" or ended_late):
            self.violate(f"3 every record goes forward: {after.rollout_id} goes from {old} to {new}")
        if new in _UNDONE:
            self._undone(after)

    def _undone(self, rollout: RolloutItem) -> None:
        """What has ended without going live must not be on its way to serve."""
        name = Names(self._stack, rollout.endpoint).sagemaker_endpoint
        config = Names(self._stack, rollout.endpoint).of_rollout(rollout.rollout_id)
        state, change = self._world.serving.describe(name), self._world.serving.changes.get(name)
        leads = change is not None and change.config == config and change.status != "Deleting"
        serves = state is not None and state.config_name == config and state.status != "Deleting"
        if (leads or serves) and rollout.endpoint not in self._taken_away:
            self.violate(f"6 the record is the truth: {rollout.rollout_id} ends as {rollout.phase}, {name} runs it")

    def _goes_live(self, endpoint: EndpointItem) -> None:
        names = Names(self._stack, endpoint.endpoint)
        name, rollout_id = names.sagemaker_endpoint, endpoint.live_rollout_id or ""
        state, config = self._world.serving.describe(name), names.of_rollout(rollout_id)
        runs = state.config_name if state else "nothing"
        if runs != config or self._world.serving.serves(name) != config:
            self.violate(f"6 the record is the truth: {rollout_id} is recorded as live, {name} runs {runs}")
        rollout = self._world.table.rollout(endpoint.endpoint, rollout_id)
        if rollout and _was_adopted(rollout):
            return  # a person has looked at it and answers for it
        answer = self._world.serving.ask(name)
        if (answer.release_id, answer.rollout_id) != (endpoint.live_release_id, rollout_id):
            self.violate(f"9 success means live: {rollout_id} is recorded as live, but the endpoint answers {answer}")
        if rollout and rollout.abort:
            self._heeded(rollout, config)

    def _heeded(self, rollout: RolloutItem, config: str) -> None:
        asked_s = _seconds(rollout.abort.at if rollout.abort else "")
        arrived_s = self._world.serving.arrived.get(config, 0.0)
        if arrived_s > asked_s + _HEEDED_S:
            self.violate(
                f"8 an abort is heeded: {rollout.rollout_id} goes live; its end was asked for "
                f"{arrived_s - asked_s:.0f} s before green had arrived"
            )

    def swept(self, result: "Result", *, again: bool) -> None:
        """A sweep in which nothing fails must end well, and a second one must find nothing more to do."""
        if result.error:
            self.violate(f"12 sweeping twice is sweeping once: a sweep failed: {result.error} {result.cause}")
        elif again and (did := [deed for deed in _DEEDS if result.payload.get(deed)]):
            self.violate(f"12 sweeping twice is sweeping once: the second sweep has {did}: {result.payload}")

    # At rest -------------------------------------------------------------------------------------------------------

    def judge_rest(self) -> None:
        """Everything has ended: is anything left open, lost or wrong?"""
        for execution in self._world.executions.all.values():
            if execution.is_running:
                self.violate(f"3 every record ends: {execution.arn} still runs")
        for item in list(self._world.table.items.values()):
            if isinstance(item, EndpointItem):
                self._judge_endpoint(item)
        self._judge_seals()

    def _judge_endpoint(self, record: EndpointItem) -> None:
        rollouts = self._world.table.rollouts(record.endpoint)
        for rollout in rollouts:
            self._judge_rollout(rollout)
        lease = self._world.table.lease(record.endpoint)
        if lease and lease.holder:
            self.violate(f"3 every record ends: {lease.holder} has ended and holds the lease of {record.endpoint}")
        preflight = Names(self._stack, record.endpoint).preflight_endpoint
        if self._world.serving.describe(preflight):
            self.violate(f"4 nothing is left behind: {preflight} still exists")
        self._judge_truth(record, rollouts)
        self._judge_ledger(record)

    def _judge_rollout(self, rollout: RolloutItem) -> None:
        if str(rollout.phase) not in ENDED:
            self.violate(f"3 every record ends: {rollout.rollout_id} rests as {rollout.phase}: {rollout.reason}")
            return
        alarms = self._world.alarms.exist() & self._alarms(rollout.endpoint, rollout.rollout_id)
        if alarms and not self._was_left(rollout):
            self.violate(f"4 nothing is left behind: {rollout.rollout_id} has ended, {sorted(alarms)} exist")
        told = {note.rollout_id for note in self._world.notices.told}
        if rollout.rollout_id not in told and rollout.execution_arn and not self._was_left(rollout):
            self.violate(f"3 people are told: nobody was told that {rollout.rollout_id} ended as {rollout.phase}")

    def _execution(self, rollout: RolloutItem) -> "Execution | None":
        return self._world.executions.all.get(rollout.execution_arn or "")

    def _was_left(self, rollout: RolloutItem) -> bool:
        """Its machine gave up settling it and called a person; the sweep has closed its record."""
        execution = self._execution(rollout)
        return execution is not None and execution.error == "RolloutStuck"

    def _judge_truth(self, record: EndpointItem, rollouts: list[RolloutItem]) -> None:
        if record.live_rollout_id is None:
            return
        names = Names(self._stack, record.endpoint)
        state = self._world.serving.describe(names.sagemaker_endpoint)
        if state is None or not self._world.serving.serves(names.sagemaker_endpoint):
            self.violate(f"1 what served goes on serving: {names.sagemaker_endpoint} is {state and state.status}")
            return
        needed = self._world.serving.model_of.get(state.config_name, "")
        if state.config_name not in self._world.serving.configs or needed not in self._world.serving.models:
            self.violate(f"11 what is needed is kept: {state.config_name} serves, its config or model is gone")
        known = {names.of_rollout(each.rollout_id): each for each in rollouts}
        serves = known.get(state.config_name)
        live = names.of_rollout(record.live_rollout_id)
        excused = serves is not None and (str(serves.phase) == _CALLS_A_PERSON or self._was_left(serves))
        if state.config_name != live and not excused and record.endpoint not in self._taken_away:
            self.violate(f"6 the record is the truth: {live} is recorded as live, {state.config_name} serves")

    def is_adopted(self, record: EndpointItem) -> bool:
        """What is recorded as live was put there by a person, proved or not."""
        live = self._world.table.rollout(record.endpoint, record.live_rollout_id or "")
        return live is not None and any(ADOPTED in line.reason for line in live.history)

    def _judge_ledger(self, record: EndpointItem) -> None:
        head = Head(record.ledger_seq or 0, record.ledger_hash or Head().hash)
        lines = [line.wire() for line in self._world.table.ledger(record.endpoint)]
        if problem := verify_chain(lines, head):
            self.violate(f"6 the record is the truth: the ledger of {record.endpoint}: {problem.reason}")

    def _judge_seals(self) -> None:
        """Exactly one rollout for each seal and each push, however often its event came."""
        seals = [item for item in self._world.table.items.values() if isinstance(item, SealItem)]
        bound = [seal.rollout_id for seal in seals if seal.rollout_id and seal.seal.startswith(("s3://", "ecr://"))]
        rollouts = [item for item in self._world.table.items.values() if isinstance(item, RolloutItem)]
        started = [each.rollout_id for each in rollouts if each.kind in {"drop", "push"}]
        if sorted(bound) != sorted(started):
            self.violate(f"5 one seal, one rollout: seals have {sorted(bound)}, rollouts are {sorted(started)}")
        sealed = {seal.seal for seal in seals}
        for name in sorted(self._world.received):
            if name.startswith("s3://") and name not in sealed:
                self.violate(f"5 one seal, one rollout: {name} was received and has none")


def _was_adopted(rollout: RolloutItem) -> bool:
    return ADOPTED in rollout.reason


def _seconds(stamp: str) -> float:
    return (read_stamp(stamp) - EPOCH).total_seconds()
