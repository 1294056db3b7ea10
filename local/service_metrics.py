"""The metrics that AWS's services publish of themselves, under their documented names and dimensions.

Source: the page "metrics" of each service: "Types of metrics for Lambda functions", "Monitoring Step Functions metrics
using Amazon CloudWatch", "Available CloudWatch metrics for Amazon SQS" and "Monitoring Amazon EventBridge".
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from moto.sqs.models import sqs_backends

from local.looking import Looking

logger = logging.getLogger(__name__)

Datum = dict[str, Any]
Sink = Callable[[str, list[Datum]], None]
Dimensions = Mapping[str, str]

_ACCOUNT, _REGION = "123456789012", "us-east-1"
_MINUTE_S = 60.0
_AT_MOST_EVERY_S = 0.5  # real seconds


class Meter:
    """Where a service says what it has measured; nobody hears it until CloudWatch is there."""

    def __init__(self) -> None:
        self._sink: Sink | None = None

    def publish_to(self, sink: Sink | None) -> None:
        """Hand every measurement to CloudWatch: namespace and MetricData."""
        self._sink = sink

    def put(self, namespace: str, values: Mapping[str, tuple[float, str]], dimensions: Sequence[Dimensions]) -> None:
        """Publish metrics of one moment.

        Args:
            values: value and unit by the metric's name.
            dimensions: the metrics are published once for each of these.
        """
        if self._sink is None:
            return
        data = [
            {
                "MetricName": name,
                "Value": float(value),
                "Unit": unit,
                "Dimensions": [{"Name": key, "Value": of} for key, of in one.items()],
            }
            for name, (value, unit) in values.items()
            for one in dimensions
        ]
        try:
            self._sink(namespace, data)
        except Exception:  # a measurement must never break what it measures
            logger.exception("%s could not be published", namespace)


# Lambda ---------------------------------------------------------------------------------------------------------------


class Invoked(Protocol):
    """What Lambda knows of a function when it counts."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...


def lambda_invoked(meter: Meter, function: Invoked, *, failed: bool, duration_ms: float, running: int) -> None:
    """One invocation ended.

    Args:
        running: how many ran at once when it began, itself among them.
    """
    values = {
        "Invocations": (1.0, "Count"),
        "Errors": (float(failed), "Count"),
        "Throttles": (0.0, "Count"),
        "Duration": (duration_ms, "Milliseconds"),
        "ConcurrentExecutions": (float(running), "Count"),
    }
    meter.put("AWS/Lambda", values, _of_function(function))


def lambda_throttled(meter: Meter, function: Invoked) -> None:
    """An invocation was turned away; it counts neither as an invocation nor as an error."""
    meter.put("AWS/Lambda", {"Throttles": (1.0, "Count")}, _of_function(function))


def lambda_event_lost(meter: Meter, function: Invoked, metric: str) -> None:
    """An event could not be sent to a dead-letter queue (DeadLetterErrors) or a destination
    (DestinationDeliveryFailures)."""
    meter.put("AWS/Lambda", {metric: (1.0, "Count")}, _of_function(function))


def _of_function(function: Invoked) -> list[Dimensions]:
    resource = function.name if function.version == "$LATEST" else f"{function.name}:{function.version}"
    by_name = {"FunctionName": function.name}
    return [by_name, {**by_name, "Resource": resource}, {}]


# Step Functions and EventBridge ---------------------------------------------------------------------------------------

_ENDS = {
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


def execution_started(meter: Meter, machine_arn: str) -> None:
    meter.put("AWS/States", {"ExecutionsStarted": (1.0, "Count")}, [{"StateMachineArn": machine_arn}])


def execution_ended(meter: Meter, machine_arn: str, status: str, duration_ms: float) -> None:
    """Args:
    status: as DescribeExecution says it.
    duration_ms: AWS milliseconds from its start to its end.
    """
    values = {_ENDS[status]: (1.0, "Count"), "ExecutionTime": (duration_ms, "Milliseconds")}
    meter.put("AWS/States", values, [{"StateMachineArn": machine_arn}])


def rule_counted(meter: Meter, rule_arn: str, *metrics: str) -> None:
    """Something happened to one event of a rule, such as Invocations or FailedInvocations."""
    rule = {"RuleName": rule_arn.rpartition("/")[2]}
    meter.put("AWS/Events", dict.fromkeys(metrics, (1.0, "Count")), [rule])


# SQS ------------------------------------------------------------------------------------------------------------------


class QueueMetrics(Looking):
    """Publishes what lies in every queue, each minute, in a thread of its own.

    Args:
        real_seconds: of an AWS duration.
        scale: AWS seconds per real second; moto's queues measure ages in real time.
    """

    def __init__(self, meter: Meter, real_seconds: Callable[[float], float], scale: float) -> None:
        self._meter = meter
        self._scale = scale
        super().__init__("queue-metrics", max(_AT_MOST_EVERY_S, real_seconds(_MINUTE_S)), self.publish)

    def publish(self) -> None:
        """Look at every queue once."""
        for queue in list(sqs_backends[_ACCOUNT][_REGION].queues.values()):
            self._meter.put("AWS/SQS", self._measured(queue), [{"QueueName": str(queue.name)}])

    def _measured(self, queue: Any) -> dict[str, tuple[float, str]]:
        visible = queue.messages
        sent_ms = min((message.sent_timestamp for message in visible if message.sent_timestamp), default=None)
        age_s = 0.0 if sent_ms is None else max(0.0, time.time() - sent_ms / 1000)
        return {
            "ApproximateNumberOfMessagesVisible": (float(len(visible)), "Count"),
            "ApproximateNumberOfMessagesNotVisible": (
                float(queue.approximate_number_of_messages_not_visible),
                "Count",
            ),
            "ApproximateAgeOfOldestMessage": (age_s * self._scale, "Seconds"),
        }
