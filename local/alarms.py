"""CloudWatch alarms that evaluate: moto 5.2.5 keeps their settings and never looks at a metric.

An alarm of a minute or more is evaluated every minute, over periods that end with the last whole minute; a
high-resolution alarm every ten seconds ("Evaluating an alarm" in the CloudWatch User Guide). A composite alarm is
evaluated when it is put and when one of its children changes. A state that changes is written to the history, sent as
an event and followed by the alarm's actions; scaling actions are repeated every minute while the state lasts.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moto.cloudwatch import models

from local import alarm_words, composite_rules
from local.alarm_actions import SCALING_PREFIX, ActionFailedError, AlarmActions, Authorize, Scale
from local.alarm_rules import EXTRA_PERIODS, State, evaluate, is_low_sample
from local.alarm_settings import Watch, watch_of
from local.alarm_words import AlarmState
from local.looking import Looking, pause_s
from local.metrics.queries import evaluate as evaluate_queries
from local.metrics.queries import line
from local.metrics.store import MetricStore, Series, Window
from local.moto_patches import cloudwatch
from local.moto_patches.patching import Patches
from local.world import World

logger = logging.getLogger(__name__)

Emit = Callable[[str, str, Mapping[str, Any], Sequence[str]], None]

_MINUTE_S, _FINE_STEP_S = 60, 10
# Real seconds until every service here has published what it measured; a period is evaluated after them.
_SETTLE_S = 1.0
_MOST_AT_ONCE = 60


class AlarmEvaluator(Looking):
    """Looks at every alarm, in a thread of its own.

    Args:
        emit: sends an event: source, detail type, detail, resources.
        scale: triggers a policy of Application Auto Scaling.
        authorize: judges what an alarm does to a topic or a function by the policy of that topic or function.
    """

    def __init__(
        self, world: World, emit: Emit, scale: Scale | None = None, authorize: Authorize | None = None
    ) -> None:
        self._world = world
        self._emit = emit
        self._actions = AlarmActions(world, scale, authorize)
        super().__init__("alarms", pause_s(world.clock), self._look_at_due)
        self._looking = threading.Lock()
        # The alarm as it was put and the end of the periods that it was last evaluated for, by its name.
        self._evaluated: dict[str, tuple[Any, float]] = {}
        self._scaled_s: dict[str, float] = {}
        # The composite alarms on whose account others are being evaluated just now.
        self._composites = threading.RLock()
        self._evaluating: list[str] = []

    def install(self, patches: Patches) -> None:
        """Let moto's CloudWatch ask and tell this evaluator, and hear what the services measure."""
        cloudwatch.install(patches, self._world.clock, self)
        self._world.meter.publish_to(cloudwatch.publish)

    def evaluate_all(self) -> None:
        """Look at every metric alarm once, over the periods that have ended by now."""
        self._look(self._world.clock.time(), only_due=False)

    def _look_at_due(self) -> None:
        self._look(self._world.clock.time() - _SETTLE_S * self._world.clock.scale, only_due=True)

    def _look(self, now_s: float, *, only_due: bool) -> None:
        backend = cloudwatch.backend()
        store = cloudwatch.store_of(backend)
        with self._looking:
            for alarm in [alarm for alarm in list(backend.alarms.values()) if alarm.rule is None]:
                watch = watch_of(vars(alarm))
                for end_s in self._ends(alarm, watch, now_s, only_due=only_due):
                    self._evaluated[alarm.name] = (alarm, end_s)
                    self._evaluate(alarm, watch, store, end_s)

    def _ends(self, alarm: Any, watch: Watch, now_s: float, *, only_due: bool) -> Sequence[float]:
        """Until when an alarm is to be evaluated. A look that comes late, on a busy machine or a fast clock, makes up
        for those that it missed: what was an alarm then has happened."""
        step_s = _MINUTE_S if watch.period_s >= _MINUTE_S else _FINE_STEP_S
        last_s = now_s // step_s * step_s
        known, before_s = self._evaluated.get(alarm.name, (None, last_s))
        if known is not alarm or not only_due:
            return [last_s]
        due = min(round((last_s - before_s) / step_s), _MOST_AT_ONCE)
        return [last_s - step_s * ago for ago in reversed(range(due))]

    def _evaluate(self, alarm: Any, watch: Watch, store: MetricStore, end_s: float) -> None:
        before = State(alarm.state_value)
        window = Window.ending(end_s, watch.period_s, watch.rule.evaluation_periods + EXTRA_PERIODS)
        series = line(evaluate_queries(store, watch.queries, window)[watch.asked.id], watch.asked.id)
        state = before if _is_too_few(watch, store, window) else evaluate(series, watch.rule, before)
        data = alarm_words.reason_data(series, window, watch, self._world.clock.now())
        if state != before:
            alarm.update_state(alarm_words.reason(state, before, series, window, watch.rule), data, str(state))
        else:
            self._scale_on(alarm, series, data)

    def _scale_on(self, alarm: Any, series: Series, data: str) -> None:
        """Scaling actions are repeated once per minute that the alarm remains in its state."""
        now_s = self._world.clock.time()
        arns = [arn for arn in self._actions.wanted(alarm) if arn.startswith(SCALING_PREFIX)]
        if not arns or now_s - self._scaled_s.get(alarm.name, 0.0) < _MINUTE_S:
            return
        if any(value is not None for value in series):
            alarm.state_reason_data = data  # the policy scales by the newest data point
        self._perform(alarm, AlarmState.of(alarm), arns)

    # What moto's CloudWatch tells --------------------------------------------------------------------------------

    def put(self, alarm: Any, before: Any | None) -> None:
        """An alarm was created, or changed and was `before`."""
        verb = "updated" if before else "created"
        self._write(alarm, "ConfigurationUpdate", f'Alarm "{alarm.name}" {verb}', {"type": verb.title()[:-1]})
        if alarm.rule is not None:
            self._evaluate_composite(alarm)

    def changed(self, alarm: Any, before: AlarmState) -> None:
        """The state of an alarm was set, by its data, by its children or by a person."""
        now = AlarmState.of(alarm)
        if now.value == before.value:
            return
        logger.info("alarm %s is %s, was %s: %s", alarm.name, now.value, before.value, now.reason)
        summary = f"Alarm updated from {before.value} to {now.value}"
        self._write(alarm, "StateUpdate", summary, alarm_words.state_update(before, now))
        detail = alarm_words.event_detail(alarm, before)
        self._emit("aws.cloudwatch", "CloudWatch Alarm State Change", detail, [alarm.alarm_arn])
        self._perform(alarm, before, self._actions.wanted(alarm))
        self._tell_parents(alarm.name)

    def _perform(self, alarm: Any, before: AlarmState, arns: Sequence[str]) -> None:
        if any(arn.startswith(SCALING_PREFIX) for arn in arns):
            self._scaled_s[alarm.name] = self._world.clock.time()
        for arn in arns:
            try:
                self._actions.perform(arn, alarm, before)
            except ActionFailedError as error:
                logger.warning("alarm %s could not act on %s: %s", alarm.name, arn, error)
                summary, data = f"Failed to execute action {arn}", {"actionState": "Failed", "error": str(error)}
            else:
                summary, data = f"Successfully executed action {arn}", {"actionState": "Succeeded"}
            self._write(alarm, "Action", summary, {**data, "notificationResource": arn})

    def _write(self, alarm: Any, kind: str, summary: str, data: Mapping[str, Any]) -> None:
        item = alarm_words.history_item(alarm, kind, summary, dict(data), self._world.clock.now())
        cloudwatch.history_of(cloudwatch.backend()).append(item)

    # Composite alarms --------------------------------------------------------------------------------------------

    def _tell_parents(self, name: str) -> None:
        """Evaluate every composite alarm whose rule asks this one."""
        for alarm in list(cloudwatch.backend().alarms.values()):
            if alarm.rule is not None and name in composite_rules.children(composite_rules.parse(alarm.rule)):
                self._evaluate_composite(alarm)

    def _evaluate_composite(self, alarm: Any) -> None:
        """Evaluation stops where a circle of rules closes, as CloudWatch's does."""
        with self._composites:
            if alarm.name in self._evaluating:
                logger.warning("alarm %s is not evaluated: its rule leads back to itself", alarm.name)
                return
            self._evaluating.append(alarm.name)
            try:
                self._set_composite(alarm)
            finally:
                self._evaluating.pop()

    @staticmethod
    def _set_composite(alarm: Any) -> None:
        rule = composite_rules.parse(alarm.rule)
        states = _states(cloudwatch.backend())
        in_alarm = composite_rules.holds(rule, lambda name: states[name][1].value if name in states else None)
        state = State.ALARM if in_alarm else State.OK
        if state != alarm.state_value:
            children = dict(states[name] for name in composite_rules.children(rule) if name in states)
            alarm.update_state(
                alarm_words.composite_reason(children), alarm_words.composite_reason_data(children), str(state)
            )


def _states(backend: models.CloudWatchBackend) -> dict[str, tuple[str, AlarmState]]:
    """ARN and state of every alarm by its name."""
    return {alarm.name: (alarm.alarm_arn, AlarmState.of(alarm)) for alarm in list(backend.alarms.values())}


def _is_too_few(watch: Watch, store: MetricStore, window: Window) -> bool:
    """Whether the alarm was told to wait for more samples than there are in its evaluation periods."""
    if not watch.ignore_low_samples or watch.percent is None or watch.asked.metric is None:
        return False
    start_s = window.end_s - watch.rule.evaluation_periods * watch.period_s
    samples = store.samples(watch.asked.metric, start_s, window.end_s, watch.asked.unit)
    return is_low_sample(watch.percent, samples.count)
