"""Application Auto Scaling on endpoints of the embedded AWS: what alarms, ranges and schedules do to a variant."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from botocore.exceptions import ClientError

from local.images import ImageStore
from local.supervisor import Settings, Supervisor
from local.world import World

CONTAINER = Path(__file__).parents[1] / "sagemaker" / "container.py"
TIME_SCALE = 240.0
TRACKING: dict[str, Any] = {
    "TargetValue": 5.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    "ScaleInCooldown": 60,
    "ScaleOutCooldown": 60,
}


@dataclass
class Account:
    world: World
    image: str
    role: str

    def client(self, service: str) -> Any:
        return self.world.client(service)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    supervisor = Supervisor(Settings(port=0, time_scale=TIME_SCALE))
    supervisor.start()
    world = supervisor.world
    world.client("ecr").create_repository(repositoryName="inference")
    images = ImageStore(world)
    # Started from where it lies, so that it finds what stands beside it.
    image = images.push(images.build("inference", CONTAINER.parent, ["python", "container.py"], {"NAME": "m"}), "v1")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = world.client("iam")
    role = iam.create_role(RoleName="execution", AssumeRolePolicyDocument=_document(trust))["Role"]["Arn"]
    everything = _document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    iam.put_role_policy(RoleName="execution", PolicyName="all", PolicyDocument=everything)
    yield Account(world, image, role)
    supervisor.stop()


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass
class Endpoint:
    """An endpoint with one variant, and its scalable target."""

    account: Account
    name: str = field(default_factory=lambda: f"chat-{uuid.uuid4().hex[:8]}")

    @property
    def target(self) -> dict[str, str]:
        return {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{self.name}/variant/AllTraffic",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        }

    @property
    def scaling(self) -> Any:
        return self.account.client("application-autoscaling")

    def config(self, suffix: str, instances: int) -> str:
        name, sagemaker = f"{self.name}-{suffix}", self.account.client("sagemaker")
        sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=self.account.role, PrimaryContainer={"Image": self.account.image}
        )
        variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.g5.4xlarge"}
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": instances}]
        )
        return name

    def create(self, instances: int = 1) -> None:
        self.account.client("sagemaker").create_endpoint(
            EndpointName=self.name, EndpointConfigName=self.config("first", instances)
        )
        until(lambda: self.describe()["EndpointStatus"] == "InService")

    def describe(self) -> Any:
        return self.account.client("sagemaker").describe_endpoint(EndpointName=self.name)

    def counts(self) -> tuple[int, int]:
        """Desired and current."""
        [variant] = self.describe()["ProductionVariants"]
        return variant["DesiredInstanceCount"], variant["CurrentInstanceCount"]

    def register(self, minimum: int = 1, maximum: int = 3, **settings: Any) -> str:
        answer = self.scaling.register_scalable_target(
            **self.target, MinCapacity=minimum, MaxCapacity=maximum, **settings
        )
        return str(answer["ScalableTargetARN"])

    def track(self, name: str = "tracking", **changes: Any) -> Any:
        return self.scaling.put_scaling_policy(
            **self.target,
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=TRACKING | changes,
        )

    def activities(self, **asked: Any) -> list[Any]:
        found: list[Any] = self.scaling.describe_scaling_activities(**self.target, **asked)["ScalingActivities"]
        return found

    def trip(self, alarm: str, value: float) -> None:
        """Set an alarm as its newest data point would."""
        self.account.client("cloudwatch").set_alarm_state(
            AlarmName=alarm,
            StateValue="ALARM",
            StateReason="the test says so",
            StateReasonData=json.dumps({"recentDatapoints": [value]}),
        )


@pytest.fixture
def endpoint(account: Account) -> Iterator[Endpoint]:
    endpoint = Endpoint(account)
    endpoint.create()
    yield endpoint
    try:
        until(lambda: endpoint.describe()["EndpointStatus"] == "InService")
        account.client("sagemaker").delete_endpoint(EndpointName=endpoint.name)
    except ClientError as error:
        assert "Could not find endpoint" in str(error)  # noqa: PT017 - a test deleted its endpoint itself


def until(condition: Callable[[], object], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {within_s} s"
        time.sleep(0.05)


class Load:
    """Requests from four clients at once, until told to stop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]
        self.failures: list[Exception] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        runtime = self._endpoint.account.client("sagemaker-runtime")
        while not self._stopping.wait(0.01):
            try:
                runtime.invoke_endpoint(EndpointName=self._endpoint.name, Body=b"echo")
            except ClientError as error:
                self.failures.append(error)


def with_a_service_beside_it(endpoint: Endpoint) -> None:
    """Scaling of ECS is recorded only, and must disturb nobody."""
    service = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/chat/chat",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    endpoint.scaling.register_scalable_target(**service, MinCapacity=1, MaxCapacity=4)
    endpoint.scaling.put_scaling_policy(
        **service,
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
            "TargetValue": 50.0,
        },
    )


def test_load_scales_a_variant_out_and_its_end_scales_it_in(endpoint: Endpoint) -> None:
    with_a_service_beside_it(endpoint)
    endpoint.register()
    alarms = [alarm["AlarmName"] for alarm in endpoint.track()["Alarms"]]

    with Load(endpoint) as load:
        until(lambda: endpoint.counts() == (3, 3))
        # A release while the target is scaled keeps the count that scaling has given.
        endpoint.account.client("sagemaker").update_endpoint(
            EndpointName=endpoint.name,
            EndpointConfigName=endpoint.config("second", 1),
            RetainAllVariantProperties=True,
        )
        until(lambda: endpoint.describe()["EndpointStatus"] == "InService")
        assert endpoint.describe()["EndpointConfigName"].endswith("-second")
        assert endpoint.counts() == (3, 3)
    until(lambda: endpoint.counts() == (1, 1), within_s=60)

    assert not load.failures
    until(lambda: endpoint.activities()[0]["StatusCode"] == "Successful")
    scaled_in, *before = endpoint.activities()
    # A load that is measured while it rises is answered by two instances before it is answered by three.
    scaled_out = next(one for one in before if one["Description"] == "Setting desired instance count to 3.")
    assert scaled_out["Cause"] == f"monitor alarm {alarms[0]} in state ALARM triggered policy tracking"
    assert scaled_in["Description"] == "Setting desired instance count to 1."
    assert scaled_in["StatusMessage"] == (
        "Successfully set desired instance count to 1. Change successfully fulfilled by sagemaker."
    )


def test_target_tracking_makes_two_alarms_that_go_with_the_policy(endpoint: Endpoint) -> None:
    endpoint.register()
    put = endpoint.track()
    names = [alarm["AlarmName"] for alarm in put["Alarms"]]
    cloudwatch = endpoint.account.client("cloudwatch")

    high, low = cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]
    [policy] = endpoint.scaling.describe_scaling_policies(**endpoint.target)["ScalingPolicies"]
    endpoint.scaling.delete_scaling_policy(PolicyName="tracking", **endpoint.target)

    # The form of the names and the numbers are those of alarms that the service made in AWS.
    assert [name.rsplit("-", 5)[0] for name in names] == [
        f"TargetTracking-{endpoint.target['ResourceId']}-AlarmHigh",
        f"TargetTracking-{endpoint.target['ResourceId']}-AlarmLow",
    ]
    assert (high["Threshold"], high["EvaluationPeriods"], high["Period"], high["Statistic"]) == (5.0, 3, 60, "Sum")
    assert (low["Threshold"], low["EvaluationPeriods"], low["ComparisonOperator"]) == (4.5, 15, "LessThanThreshold")
    assert high["AlarmDescription"].startswith("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy ")
    assert policy["PolicyARN"] == put["PolicyARN"] == high["AlarmActions"][0].split(":createdBy/")[0]
    assert policy["Alarms"] == put["Alarms"]
    assert cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"] == []


def test_a_suspended_target_stays_as_it_is_until_it_is_resumed(endpoint: Endpoint) -> None:
    endpoint.register(SuspendedState={"DynamicScalingOutSuspended": True})
    [high, _] = endpoint.track()["Alarms"]
    endpoint.trip(high["AlarmName"], 99)
    suspended = endpoint.counts(), endpoint.activities(IncludeNotScaledActivities=True)
    [described] = endpoint.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"][-1:]
    endpoint.scaling.register_scalable_target(**endpoint.target, SuspendedState={"DynamicScalingOutSuspended": False})
    endpoint.account.client("cloudwatch").set_alarm_state(
        AlarmName=high["AlarmName"], StateValue="OK", StateReason="again"
    )
    endpoint.trip(high["AlarmName"], 99)

    assert suspended == ((1, 1), [])
    assert described["SuspendedState"]["DynamicScalingOutSuspended"] is True
    until(lambda: endpoint.counts() == (3, 3))


def test_a_step_policy_acts_when_its_alarm_names_it(endpoint: Endpoint) -> None:
    endpoint.register(maximum=5)
    step = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 2}],
    }
    arn = endpoint.scaling.put_scaling_policy(
        **endpoint.target, PolicyName="steps", PolicyType="StepScaling", StepScalingPolicyConfiguration=step
    )["PolicyARN"]
    cloudwatch = endpoint.account.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=f"{endpoint.name}-busy",
        Namespace="n",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=10,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
        AlarmActions=[arn],
    )
    endpoint.trip(f"{endpoint.name}-busy", 12)
    until(lambda: endpoint.counts() == (3, 3))
    [policy] = endpoint.scaling.describe_scaling_policies(**endpoint.target)["ScalingPolicies"]
    endpoint.scaling.delete_scaling_policy(PolicyName="steps", **endpoint.target)
    [alarm] = cloudwatch.describe_alarms(AlarmNames=[f"{endpoint.name}-busy"])["MetricAlarms"]
    cloudwatch.delete_alarms(AlarmNames=[f"{endpoint.name}-busy"])

    assert [one["AlarmName"] for one in policy["Alarms"]] == [f"{endpoint.name}-busy"]
    # "Deleting a step scaling policy deletes the underlying alarm action, but does not delete the alarm".
    assert alarm["AlarmActions"] == []


def test_a_target_that_lies_out_of_its_range_is_scaled_to_its_end(endpoint: Endpoint) -> None:
    endpoint.register(minimum=2, maximum=4)
    until(lambda: endpoint.counts() == (2, 2))
    until(lambda: endpoint.activities()[0]["StatusCode"] == "Successful")

    [activity] = endpoint.activities()
    assert activity["Cause"] == "minimum capacity was set to 2"


def test_a_schedule_changes_the_range_and_the_capacity_with_it(endpoint: Endpoint) -> None:
    endpoint.register()
    at = endpoint.account.world.clock.time() + 120
    endpoint.scaling.put_scheduled_action(
        **endpoint.target,
        ScheduledActionName="morning",
        Schedule=time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime(at)),
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 4},
    )
    until(lambda: endpoint.counts() == (2, 2))

    [target] = endpoint.scaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[endpoint.target["ResourceId"]]
    )["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    assert "scheduled action name morning was triggered" in {one["Cause"] for one in endpoint.activities()}


def test_an_update_in_progress_is_not_disturbed_and_says_why(endpoint: Endpoint) -> None:
    endpoint.register()
    [high, _] = endpoint.track()["Alarms"]
    endpoint.account.client("sagemaker").update_endpoint(
        EndpointName=endpoint.name,
        EndpointConfigName=endpoint.config("second", 1),
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 300}
            }
        },
    )
    endpoint.trip(high["AlarmName"], 99)

    assert endpoint.describe()["EndpointStatus"] == "Updating"
    assert endpoint.activities() == []
    [kept] = endpoint.activities(IncludeNotScaledActivities=True)
    assert (kept["StatusCode"], kept["NotScaledReasons"]) == (
        "Failed",
        [{"Code": "TargetServicePutResourceAsUnscalable", "CurrentCapacity": 1}],
    )


def test_a_target_whose_endpoint_is_gone_fails_by_name(endpoint: Endpoint) -> None:
    endpoint.register()
    [high, _] = endpoint.track()["Alarms"]
    endpoint.account.client("sagemaker").delete_endpoint(EndpointName=endpoint.name)
    until(lambda: endpoint.name not in str(endpoint.account.client("sagemaker").list_endpoints(MaxResults=100)))
    endpoint.trip(high["AlarmName"], 99)

    [activity] = endpoint.activities()
    assert activity["StatusCode"] == "Failed"
    assert endpoint.target["ResourceId"] in activity["StatusMessage"]


def test_deregistering_takes_policies_alarms_and_schedules_along(endpoint: Endpoint) -> None:
    endpoint.register(Tags={"team": "chat"})
    names = [alarm["AlarmName"] for alarm in endpoint.track()["Alarms"]]
    endpoint.scaling.put_scheduled_action(
        **endpoint.target,
        ScheduledActionName="nightly",
        Schedule="rate(5 hours)",
        ScalableTargetAction={"MaxCapacity": 2},
    )
    endpoint.scaling.deregister_scalable_target(**endpoint.target)

    assert endpoint.scaling.describe_scaling_policies(**endpoint.target)["ScalingPolicies"] == []
    assert endpoint.scaling.describe_scheduled_actions(**endpoint.target)["ScheduledActions"] == []
    assert endpoint.account.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"] == []


@pytest.mark.parametrize(
    ("operation", "request_", "code", "said"),
    [
        ("deregister_scalable_target", {}, "ObjectNotFoundException", "No scalable target found"),
        ("delete_scaling_policy", {"PolicyName": "p"}, "ObjectNotFoundException", "No scaling policy found"),
        (
            "put_scaling_policy",
            {
                "PolicyName": "p",
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": TRACKING,
            },
            "ObjectNotFoundException",
            "No scalable target registered",
        ),
        ("register_scalable_target", {"MinCapacity": 1}, "ValidationException", "doesn't exist"),
        (
            "register_scalable_target",
            {"MinCapacity": 1, "MaxCapacity": 2, "ServiceNamespace": "dynamodb"},
            "ValidationException",
            "does not emulate scaling of",
        ),
        (
            "register_scalable_target",
            {"MinCapacity": 1, "MaxCapacity": 2, "ServiceNamespace": "nothing"},
            "ValidationException",
            "enum value set",
        ),
    ],
)
def test_what_does_not_exist_is_refused_in_awss_words(
    account: Account, operation: str, request_: dict[str, Any], code: str, said: str
) -> None:
    nowhere = Endpoint(account, "nowhere")
    call = getattr(account.world.client("application-autoscaling", validate=False), operation)

    with pytest.raises(ClientError, match=said) as refused:
        call(**{**nowhere.target, **request_})

    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"TargetValue": 0}, "TargetValue must be greater than 0"),
        (
            {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}},
            "not supported",
        ),
        (
            {"CustomizedMetricSpecification": {"Namespace": "n", "MetricName": "m", "Statistic": "Sum"}},
            "Exactly one of Predefined",
        ),
    ],
)
def test_a_policy_that_cannot_be_tracked_is_refused(endpoint: Endpoint, changes: dict[str, Any], said: str) -> None:
    endpoint.register()

    with pytest.raises(ClientError, match=said):
        endpoint.track(**changes)


def test_the_role_that_scales_is_awss_own(endpoint: Endpoint) -> None:
    endpoint.register()
    [target] = endpoint.scaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[endpoint.target["ResourceId"]]
    )["ScalableTargets"]

    # "Service-linked role created for SageMaker" in the Application Auto Scaling User Guide.
    role = endpoint.account.client("iam").get_role(RoleName="AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")
    assert target["RoleARN"] == role["Role"]["Arn"]
    trust = role["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
    assert trust == {"Service": "sagemaker.application-autoscaling.amazonaws.com"}
