"""Guard alarms on CloudWatch."""

from typing import TYPE_CHECKING

from release.adapters.aws import translated
from release.domain.names import VARIANT

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

_PERIOD_S = 60  # SageMaker publishes invocation metrics once a minute unless enhanced metrics are on


class CloudWatchAlarms:
    def __init__(self, client: "CloudWatchClient") -> None:
        self._client = client

    def ensure_guard(self, name: str, *, endpoint_name: str, config_name: str) -> None:
        with translated(f"creating alarm {name}"):
            self._client.put_metric_alarm(
                AlarmName=name,
                AlarmDescription=f"Green ({config_name}) answers with 5xx: SageMaker rolls the endpoint back.",
                Namespace="AWS/SageMaker",
                MetricName="Invocation5XXErrors",
                # Without the config's name the alarm would also trip on blue's errors and stop the very rollout that
                # is meant to mend them.
                Dimensions=[
                    {"Name": "EndpointName", "Value": endpoint_name},
                    {"Name": "VariantName", "Value": VARIANT},
                    {"Name": "EndpointConfigName", "Value": config_name},
                ],
                Statistic="Sum",
                Period=_PERIOD_S,
                EvaluationPeriods=1,
                Threshold=1,
                ComparisonOperator="GreaterThanOrEqualToThreshold",
                TreatMissingData="notBreaching",  # green may be idle; whether it answers at all is the probes' question
            )

    def is_tripped(self, name: str) -> bool:
        with translated(f"looking at alarm {name}"):
            alarms = self._client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return any(alarm["StateValue"] == "ALARM" for alarm in alarms)
