"""One run of a check: names of its own, short ways to ask, and an end that leaves nothing behind."""

import contextlib
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from tests.conformance.targets import Target

LONG_S = 3600
"""A bake that outlasts its check, in AWS seconds."""
SHORT_S = 300
"""A bake that a check sees and waits for, in AWS seconds."""
VARIANT = "AllTraffic"
TYPE = "ml.m5.large"
IN_PROGRESS = frozenset({"Creating", "Updating", "Deleting", "SystemUpdating", "RollingBack"})
_numbers = itertools.count(1)


class Case:
    def __init__(self, target: Target) -> None:
        self.target = target
        self.client = target.clients
        self.sagemaker = target.clients["sagemaker"]
        self.runtime = target.clients["sagemaker-runtime"]
        self._prefix = f"{target.prefix}-{next(_numbers)}"
        self._names = itertools.count(1)
        self._endpoints: list[str] = []
        self._endings: list[Callable[[], object]] = []

    def name(self, part: str = "x") -> str:
        """A name that no other check uses; it holds `part`."""
        return f"{self._prefix}-{part}-{next(self._names)}"

    def at_end(self, action: Callable[[], object]) -> None:
        self._endings.append(action)

    def clean_up(self) -> None:
        for endpoint in self._endpoints:
            with contextlib.suppress(ClientError):
                self.sagemaker.delete_endpoint(EndpointName=endpoint)
        for action in reversed(self._endings):
            with contextlib.suppress(ClientError):
                action()

    # Resources

    def files(self, key: str = "model/", kind: str = "S3Prefix", compression: str = "None") -> dict[str, Any]:
        """Model data of the fixture, as a part of a container definition."""
        uri = f"s3://{self.target.bucket}/{key}"
        source = {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression}
        return {"ModelDataSource": {"S3DataSource": source}}

    def create_model(self, name: str, *, role: str | None = None, **container: Any) -> Any:
        """CreateModel's answer; fields of the container may be given."""
        answer = self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=role or self.target.role,
            PrimaryContainer={"Image": self.target.image, **container},
        )
        self.at_end(lambda: self.sagemaker.delete_model(ModelName=name))
        return answer

    def model(self, **environment: str) -> str:
        name = self.name("model")
        self.create_model(name, Environment={"NAME": name, **environment})
        return name

    def variant(self, model: str, **changes: Any) -> dict[str, Any]:
        plain = {"VariantName": VARIANT, "ModelName": model, "InstanceType": TYPE, "InitialInstanceCount": 1}
        return {**plain, **changes}

    def create_config(self, name: str, *variants: dict[str, Any], **more: Any) -> Any:
        answer = self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=list(variants), **more
        )
        self.at_end(lambda: self.sagemaker.delete_endpoint_config(EndpointConfigName=name))
        return answer

    def config(self, model: str | None = None, **variant: Any) -> str:
        """The name of a new config with one variant, of a new model if none is given. `name` answers the model's."""
        name = self.name("config")
        self.create_config(name, self.variant(model or self.model(), **variant))
        return name

    def two_variants(self, **of_first: Any) -> str:
        """A config with variants `one` and `two`, each of a model of its own."""
        name = self.name("config")
        variants = [self.variant(self.model(WHO=who), VariantName=who) for who in ("one", "two")]
        self.create_config(name, {**variants[0], **of_first}, variants[1])
        return name

    def create_endpoint(self, config: str, name: str | None = None, **more: Any) -> str:
        """CreateEndpoint without waiting for it."""
        name = name or self.name("endpoint")
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, **more)
        self._endpoints.append(name)
        return name

    def endpoint(self, config: str | None = None) -> str:
        """An endpoint that serves."""
        name = self.create_endpoint(config or self.config())
        status = self.settled(name)["EndpointStatus"]
        assert status == "InService", f"the endpoint is {status}: {self.describe(name).get('FailureReason')}"
        return name

    def shared(self) -> str:
        """An endpoint that serves every check which changes nothing."""
        with self.target.sharing:
            if not self.target.shared:
                own = Case(self.target)
                model = own.name("shared")
                self.sagemaker.create_model(
                    ModelName=model,
                    ExecutionRoleArn=self.target.role,
                    PrimaryContainer={"Image": self.target.image, "Environment": {"COLOUR": "green"}},
                )
                self.target.shared = own.endpoint(own.config(model))
                self.target.at_end.append(own.clean_up)
        return self.target.shared

    def update(self, endpoint: str, config: str, policy: Mapping[str, Any] | None = None, **more: Any) -> Any:
        given = {**({"DeploymentConfig": policy} if policy else {}), **more}
        return self.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config, **given)

    def scale(self, endpoint: str, **desired: Any) -> Any:
        change = {"VariantName": VARIANT, **desired}
        return self.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=endpoint, DesiredWeightsAndCapacities=[change]
        )

    def alarm(self, state: str = "OK") -> str:
        """An alarm without data, which therefore stays in the state that it is put in."""
        name = self.name("alarm")
        cloudwatch = self.client["cloudwatch"]
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace=self.target.prefix,
            MetricName=name,
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="ignore",
        )
        self.at_end(lambda: cloudwatch.delete_alarms(AlarmNames=[name]))
        self.set_alarm(name, state)
        return name

    def set_alarm(self, name: str, state: str) -> None:
        self.client["cloudwatch"].set_alarm_state(AlarmName=name, StateValue=state, StateReason="the check says so")

    # Observations

    def describe(self, endpoint: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=endpoint)
        return answer

    def only_variant(self, endpoint: str) -> dict[str, Any]:
        (variant,) = self.describe(endpoint)["ProductionVariants"]
        found: dict[str, Any] = variant
        return found

    def stages(self, endpoint: str) -> set[str]:
        """What the variants of the deployment in progress are doing."""
        pending = self.describe(endpoint).get("PendingDeploymentSummary", {})
        return {s["Status"] for v in pending.get("ProductionVariants", []) for s in v.get("VariantStatus", [])}

    def settled(self, endpoint: str) -> dict[str, Any]:
        """The endpoint's description once nothing is in progress."""
        self.until(lambda: self.describe(endpoint)["EndpointStatus"] not in IN_PROGRESS, f"{endpoint} settles")
        return self.describe(endpoint)

    def events(self, endpoint: str) -> list[dict[str, Any]]:
        """SageMaker's events of the endpoint that have come so far."""
        return self.target.events(endpoint)

    def baking(self, endpoint: str) -> None:
        self.until(lambda: "Baking" in self.stages(endpoint), f"{endpoint} bakes")

    def gone(self, endpoint: str) -> None:
        def is_gone() -> bool:
            try:
                self.describe(endpoint)
            except ClientError:
                return True
            return False

        self.until(is_gone, f"{endpoint} is gone")

    def until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + self.target.patience_s
        while not condition():
            assert time.monotonic() < deadline, f"not so after {self.target.patience_s} s: {what}"
            time.sleep(self.target.pause_s)

    def invoke(self, endpoint: str, body: bytes = b"echo", **fields: Any) -> Any:
        return self.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **fields)

    def said(self, endpoint: str, body: bytes = b"name", **fields: Any) -> str:
        text: str = self.invoke(endpoint, body, **fields)["Body"].read().decode()
        return text

    def facts(self, endpoint: str, **fields: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.said(endpoint, b"facts", **fields))
        return found

    @staticmethod
    def error_of(call: Callable[[], object]) -> ClientError:
        """What the call fails with."""
        try:
            call()
        except ClientError as error:
            return error
        raise AssertionError("expected an error, but the call succeeded")

    @contextmanager
    def refused(self, code: str, pattern: str = "") -> Iterator[None]:
        """Assert that the calls inside fail with this code and a message in which the pattern is found."""
        try:
            yield
        except ClientError as error:
            found = error.response["Error"]
            assert found["Code"] == code, f"expected {code}, got {found}"
            assert re.search(pattern, found["Message"]), f"expected {pattern!r} in {found['Message']!r}"
        else:
            raise AssertionError(f"expected {code} {pattern!r}, but the call succeeded")


def blue_green(routing: str = "ALL_AT_ONCE", wait_s: int = 0, **sizes: Mapping[str, Any]) -> dict[str, Any]:
    """A deployment config; `sizes` are CanarySize or LinearStepSize."""
    traffic = {"Type": routing, "WaitIntervalInSeconds": wait_s, **sizes}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": traffic}}


def rolling(batch: Mapping[str, Any], wait_s: int = 0) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": batch, "WaitIntervalInSeconds": wait_s}}


def guarded(policy: Mapping[str, Any], *alarms: str) -> dict[str, Any]:
    """The policy with these alarms."""
    return {**policy, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]}}


def instances(count: int) -> dict[str, Any]:
    return {"Type": "INSTANCE_COUNT", "Value": count}


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}
