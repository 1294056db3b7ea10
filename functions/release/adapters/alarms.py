"""The alarms of a rollout on CloudWatch."""

from typing import TYPE_CHECKING, Any

from release.adapters.aws import translated
from release.adapters.metrics import ABORT, DIMENSION, FINE_PERIOD_S, HEARTBEAT, NAMESPACE
from release.domain import guard
from release.domain.names import VARIANT
from release.domain.plan import DEAD_MAN_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_cloudwatch import CloudWatchClient


class CloudWatchAlarms:
    def __init__(self, client: "CloudWatchClient") -> None:
        self._client = client

    def ensure_guard(self, name: str, *, endpoint_name: str, config_name: str) -> None:
        # Without the config's name the alarm would also trip on blue's errors and stop the very rollout that is meant
        # to mend them.
        dimensions = [
            {"Name": "EndpointName", "Value": endpoint_name},
            {"Name": "VariantName", "Value": VARIANT},
            {"Name": "EndpointConfigName", "Value": config_name},
        ]
        self._put(
            name,
            AlarmDescription=f"Green ({config_name}) fails its requests: SageMaker rolls the endpoint back.",
            Metrics=[
                {"Id": "proof", "Expression": guard.EXPRESSION, "Label": "proof against green", "ReturnData": True},
                _minute(guard.ERRORS, "Invocation5XXErrors", dimensions),
                _minute(guard.REQUESTS, "Invocations", dimensions),
            ],
            EvaluationPeriods=guard.PERIODS,
            DatapointsToAlarm=guard.BREACHING,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",  # green may be idle; whether it answers at all is the probes' question
        )

    def ensure_abort(self, name: str, *, rollout_id: str) -> None:
        self._put(
            name,
            AlarmDescription=f"Somebody asked for the end of rollout {rollout_id}: SageMaker rolls the endpoint back.",
            **_own(ABORT, rollout_id),
            Statistic="Maximum",
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="ignore",  # silence keeps the state: once tripped it stays tripped
        )

    def ensure_dead_man(self, name: str, *, rollout_id: str) -> None:
        self._put(
            name,
            AlarmDescription=f"The judge of rollout {rollout_id} is silent: SageMaker rolls the endpoint back.",
            **_own(HEARTBEAT, rollout_id),
            Statistic="SampleCount",
            EvaluationPeriods=DEAD_MAN_S // FINE_PERIOD_S,
            DatapointsToAlarm=DEAD_MAN_S // FINE_PERIOD_S,
            Threshold=1,
            ComparisonOperator="LessThanThreshold",
            TreatMissingData="breaching",  # silence is what it waits for
        )

    def states(self, names: "Sequence[str]") -> dict[str, str]:
        with translated(f"looking at {len(names)} alarms"):
            alarms = self._client.describe_alarms(AlarmNames=list(names))["MetricAlarms"]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}

    def delete(self, names: "Sequence[str]") -> None:
        """DeleteAlarms deletes none if one of them is missing, so only those that are there are named."""
        there = sorted(self.states(names))
        if there:
            with translated(f"deleting {len(there)} alarms"):
                self._client.delete_alarms(AlarmNames=there)

    def _put(self, name: str, **settings: Any) -> None:
        with translated(f"creating alarm {name}"):
            self._client.put_metric_alarm(AlarmName=name, **settings)


def _own(metric: str, rollout_id: str) -> dict[str, Any]:
    dimensions = [{"Name": DIMENSION, "Value": rollout_id}]
    return {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": dimensions, "Period": FINE_PERIOD_S}


def _minute(name: str, metric: str, dimensions: list[dict[str, str]]) -> dict[str, Any]:
    found = {"Namespace": "AWS/SageMaker", "MetricName": metric, "Dimensions": dimensions}
    return {
        "Id": name,
        "MetricStat": {"Metric": found, "Period": guard.PERIOD_S, "Stat": "Sum"},
        "ReturnData": False,
    }
