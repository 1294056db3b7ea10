"""What AWS tells of an endpoint by itself: events, metrics and logs."""

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tests.conformance.case import LONG_S, VARIANT, Case, blue_green, guarded
from tests.conformance.checks.data_plane import model_error
from tests.conformance.checks.deployments import ends_on
from tests.conformance.suite import Area
from tests.conformance.targets import Need

EVENTS = Area("events")
METRICS = Area("metrics and logs")
GUIDE = "developer guide, automating-sagemaker-with-eventbridge"
MONITORING = "developer guide, monitoring-cloudwatch"
STATE = "SageMaker Endpoint State Change"
DEPLOYMENT = "SageMaker Endpoint Deployment State Change"


def told(c: Case, endpoint: str, kind: str = STATE) -> list[str]:
    """The statuses that events of this kind told, each once, in the order of their modification."""
    seen = [event for event in c.events(endpoint) if event["detail-type"] == kind]
    seen.sort(key=lambda event: int(event["detail"]["LastModifiedTime"]))
    return list(dict.fromkeys(event["detail"]["EndpointStatus"] for event in seen))


def heard(c: Case, endpoint: str, status: str, kind: str = STATE) -> dict[str, Any]:
    """The first event with this status."""
    c.until(lambda: status in told(c, endpoint, kind), f"{kind} with {status}, so far {told(c, endpoint, kind)}")
    found: dict[str, Any] = next(
        event
        for event in c.events(endpoint)
        if event["detail-type"] == kind and event["detail"]["EndpointStatus"] == status
    )
    return found


@EVENTS.check(f"{GUIDE}, SageMaker endpoint state change", Need.INSTANCES)
def a_new_endpoint_is_told_as_creating_and_in_service(c: Case) -> None:
    endpoint = c.endpoint()
    heard(c, endpoint, "CREATING")
    heard(c, endpoint, "IN_SERVICE")


@EVENTS.check(f"{GUIDE}, the fields of the example", Need.INSTANCES)
def an_event_has_the_fields_of_the_guides_example(c: Case) -> None:
    config = c.config()
    endpoint = c.endpoint(config)
    event, arn = heard(c, endpoint, "IN_SERVICE"), c.target.arn("endpoint", endpoint)
    assert (event["source"], event["account"], event["region"]) == (
        "aws.sagemaker",
        c.target.account,
        c.target.region,
    )
    assert event["resources"] == [arn]
    assert event["detail"].items() >= {"EndpointArn": arn, "EndpointConfigName": config}.items()
    assert {"CreationTime", "LastModifiedTime"} <= event["detail"].keys()


@EVENTS.check(f"{GUIDE}, the example's times are milliseconds since the epoch", Need.INSTANCES)
def the_times_of_an_event_are_milliseconds(c: Case) -> None:
    endpoint = c.endpoint()
    created = c.describe(endpoint)["CreationTime"].timestamp()
    told_ms = int(heard(c, endpoint, "IN_SERVICE")["detail"]["CreationTime"])
    assert abs(told_ms / 1000 - created) < 2


@EVENTS.check(f"{GUIDE}, SageMaker endpoint state change", Need.INSTANCES)
def a_deleted_endpoint_is_told(c: Case) -> None:
    endpoint = c.endpoint()
    c.sagemaker.delete_endpoint(EndpointName=endpoint)
    heard(c, endpoint, "DELETING")


@EVENTS.check(f"{GUIDE}, SageMaker endpoint state change", Need.INSTANCES)
def a_failed_endpoint_is_told(c: Case) -> None:
    endpoint = c.create_endpoint(c.config(c.model(START="exit"), ContainerStartupHealthCheckTimeoutInSeconds=60))
    c.settled(endpoint)
    heard(c, endpoint, "FAILED")


@EVENTS.check(f"{GUIDE}, SageMaker endpoint state change", Need.INSTANCES)
def an_update_is_told_with_both_configs(c: Case) -> None:
    blue, green = c.config(), c.config()
    endpoint = c.endpoint(blue)
    c.update(endpoint, green)
    ends_on(c, endpoint, green)
    heard(c, endpoint, "UPDATING")
    ended = [
        e["detail"]["EndpointConfigName"] for e in c.events(endpoint) if e["detail"]["EndpointStatus"] == "IN_SERVICE"
    ]
    c.until(
        lambda: green in {e["detail"]["EndpointConfigName"] for e in c.events(endpoint)}, f"green told, so far {ended}"
    )


@EVENTS.check(f"{GUIDE}, SageMaker endpoint deployment state change", Need.INSTANCES)
def a_deployment_has_events_of_its_own(c: Case) -> None:
    alarm, blue, green = c.alarm(), c.config(), c.config()
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, guarded(blue_green(wait_s=60), alarm))
    ends_on(c, endpoint, green)
    updating = heard(c, endpoint, "UPDATING", DEPLOYMENT)["detail"]
    assert updating["PendingDeploymentSummary"]["EndpointConfigName"] == green
    heard(c, endpoint, "IN_SERVICE", DEPLOYMENT)


@EVENTS.check(f"{GUIDE}; a rollback ends IN_SERVICE on the old config", Need.INSTANCES)
def a_rollback_ends_with_an_event_of_the_old_config(c: Case) -> None:
    alarm, blue, green = c.alarm(), c.config(), c.config()
    endpoint = c.endpoint(blue)
    c.update(endpoint, green, guarded(blue_green(wait_s=LONG_S), alarm))
    c.baking(endpoint)
    c.set_alarm(alarm, "ALARM")
    ends_on(c, endpoint, blue)
    event = heard(c, endpoint, "IN_SERVICE", DEPLOYMENT)
    assert event["detail"]["EndpointConfigName"] == blue


@EVENTS.check(f"{GUIDE}, SageMaker endpoint state change; no deployment", Need.INSTANCES)
def a_change_of_capacity_is_told_as_updating(c: Case) -> None:
    endpoint = c.endpoint()
    c.scale(endpoint, DesiredInstanceCount=2)
    c.settled(endpoint)
    heard(c, endpoint, "UPDATING")


def total(c: Case, metric: str, statistic: str = "Sum", namespace: str = "AWS/SageMaker", **dimensions: str) -> float:
    """What the metric says of the last day, in whole."""
    now = datetime.now(UTC)
    answer = c.client["cloudwatch"].get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(days=1),
        EndTime=now + timedelta(days=1),
        Period=86400,
        Statistics=[statistic],
    )
    return float(sum(point[statistic] for point in answer["Datapoints"]))


def _counted(metric: str, source: str, calls: list[bytes], expected: float) -> None:
    def ask(c: Case) -> None:
        endpoint = c.endpoint()
        for body in calls:
            _try(c, endpoint, body)
        dimensions = {"EndpointName": endpoint, "VariantName": VARIANT}
        c.until(lambda: total(c, metric, **dimensions) == expected, f"{metric} is {expected}")

    METRICS.add(f"{metric} is counted for the variant", source, ask, Need.INSTANCES)


def _try(c: Case, endpoint: str, body: bytes) -> None:
    try:
        c.invoke(endpoint, body)
    except c.runtime.exceptions.ModelError:
        return


_MIXED = [b"echo", b"echo", b"fail 400", b"fail 500", b"fail 500"]
_counted("Invocations", f"{MONITORING}, endpoint invocation metrics", _MIXED, 5)
_counted("Invocation4XXErrors", f"{MONITORING}, endpoint invocation metrics", _MIXED, 1)
_counted("Invocation5XXErrors", f"{MONITORING}, endpoint invocation metrics", _MIXED, 2)
_counted("InvocationModelErrors", f"{MONITORING}, endpoint invocation metrics: not 2XX", _MIXED, 3)
_counted("InvocationsPerInstance", f"{MONITORING}, endpoint invocation metrics: one instance", _MIXED, 5)


@METRICS.check(f"{MONITORING}: ModelLatency and OverheadLatency in microseconds", Need.INSTANCES)
def latencies_are_microseconds(c: Case) -> None:
    endpoint = c.endpoint()
    began = time.monotonic()
    for _ in range(5):
        c.invoke(endpoint)
    took_us = (time.monotonic() - began) * 1e6
    for metric in ("ModelLatency", "OverheadLatency"):
        samples(c, endpoint, metric, 5)
        assert 5 <= total(c, metric, EndpointName=endpoint, VariantName=VARIANT) <= took_us


def samples(c: Case, endpoint: str, metric: str, least: int, namespace: str = "AWS/SageMaker") -> None:
    """Wait until the variant's metric has so many samples."""
    ask = partial(total, c, metric, "SampleCount", namespace, EndpointName=endpoint, VariantName=VARIANT)
    c.until(lambda: ask() >= least, f"{least} samples of {metric}")


@METRICS.check(
    "developer guide, deployment-guardrails-configuration: metrics of the EndpointConfigName", Need.INSTANCES
)
def errors_are_counted_for_the_config_as_well(c: Case) -> None:
    config = c.config()
    endpoint = c.endpoint(config)
    _try(c, endpoint, b"fail 500")
    dimensions = {"EndpointName": endpoint, "VariantName": VARIANT, "EndpointConfigName": config}
    c.until(lambda: total(c, "Invocation5XXErrors", **dimensions) == 1, "Invocation5XXErrors of the config")


@METRICS.check(f"{MONITORING}: CPUUtilization and MemoryUtilization in /aws/sagemaker/Endpoints", Need.INSTANCES)
def instances_tell_how_busy_they_are(c: Case) -> None:
    endpoint = c.endpoint()
    for metric in ("CPUUtilization", "MemoryUtilization"):
        samples(c, endpoint, metric, 1, "/aws/sagemaker/Endpoints")


@METRICS.check("developer guide, logging-cloudwatch: /aws/sagemaker/Endpoints/[EndpointName]", Need.INSTANCES)
def what_a_container_prints_is_logged(c: Case) -> None:
    model = c.model()
    group = f"/aws/sagemaker/Endpoints/{c.endpoint(c.config(model))}"
    logs = c.client["logs"]

    def lines() -> list[str]:
        try:
            return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    c.until(lambda: f"{model} begins" in "\n".join(lines()), "the container's line in the log")


@METRICS.check("developer guide, logging-cloudwatch: [production-variant-name]/[instance-id]", Need.INSTANCES)
def a_log_stream_is_called_after_variant_and_instance(c: Case) -> None:
    arn = model_error(c, b"fail 500")["LogStreamArn"]
    group = f"/aws/sagemaker/Endpoints/{c.shared()}"
    c.until(lambda: c.client["logs"].describe_log_groups(logGroupNamePrefix=group)["logGroups"], "the log group")
    streams = c.client["logs"].describe_log_streams(logGroupName=group)["logStreams"]
    assert all(stream["logStreamName"].startswith(f"{VARIANT}/") for stream in streams), streams
    assert group in arn
