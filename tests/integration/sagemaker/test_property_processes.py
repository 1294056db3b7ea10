"""Random lives of an endpoint on real processes: whatever happens, none is left and somebody always answers."""

import os
import random
import signal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.sagemaker.conftest import Aws

LIVES = 50 if os.environ.get("SLIPWAY_PROOF") == "prove" else 2
STEPS = 6
BATCH = {"Type": "INSTANCE_COUNT", "Value": 1}


class Life:
    def __init__(self, aws: Aws, seed: int) -> None:
        self.aws = aws
        self.random = random.Random(seed)  # noqa: S311 - draws steps, keeps no secret
        self.configs = [aws.config(f"config-{number}", instances=2) for number in range(3)]
        self.broken = aws.config("broken", 2, "s3://models/chat/", START="exit")
        self.deeds = [self.blue_green, self.rolling, self.trip, self.break_down, self.scale, self.crash, self.wait]
        aws.alarm("guard")
        aws.endpoint(self.configs[0])

    def step(self) -> None:
        try:
            self.random.choice(self.deeds)()
        except ClientError as error:
            message = error.response["Error"]["Message"]
            if "in-progress" not in message and "already has" not in message:
                raise
        if self.aws.describe()["EndpointStatus"] in {"InService", "Updating"}:
            assert self.aws.invoke()["Body"].read().endswith(b"4 bytes")

    def blue_green(self) -> None:
        kinds: list[dict[str, Any]] = [
            {"Type": "ALL_AT_ONCE"},
            {"Type": "CANARY", "CanarySize": BATCH},
            {"Type": "LINEAR", "LinearStepSize": BATCH},
        ]
        kind = self.random.choice(kinds)
        self.aws.update(self.random.choice(self.configs), wait_s=20, alarm="guard", **kind)

    def rolling(self) -> None:
        self._roll(self.random.choice(self.configs))

    def break_down(self) -> None:
        self._roll(self.broken)

    def _roll(self, config: str) -> None:
        policy = {
            "RollingUpdatePolicy": {"MaximumBatchSize": BATCH, "WaitIntervalInSeconds": 20},
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "guard"}]},
        }
        self.aws.sagemaker.update_endpoint(EndpointName="chat", EndpointConfigName=config, DeploymentConfig=policy)

    def trip(self) -> None:
        self.aws.alarm("guard", "ALARM")
        self.aws.settled()
        self.aws.alarm("guard", "OK")

    def scale(self) -> None:
        wish = [{"VariantName": "AllTraffic", "DesiredInstanceCount": self.random.choice([2, 3])}]
        self.aws.sagemaker.update_endpoint_weights_and_capacities(EndpointName="chat", DesiredWeightsAndCapacities=wish)

    def crash(self) -> None:
        """One of several instances dies; the others answer."""
        for share in self.aws.twin._registry.endpoints.get("chat").traffic[:1]:
            healthy = [i for variant in share.fleet.variants.values() for i in variant.healthy()]
            if len(healthy) > 1:
                os.killpg(healthy[0].process.pid, signal.SIGKILL)

    def wait(self) -> None:
        self.aws.settled()

    def end(self) -> None:
        self.aws.settled()
        self.aws.sagemaker.delete_endpoint(EndpointName="chat")
        self.aws.until(lambda: not self.aws.sagemaker.list_endpoints()["Endpoints"], within_s=30)


@pytest.mark.parametrize("seed", range(LIVES))
def test_no_process_is_left_and_somebody_always_answers(aws: Aws, seed: int) -> None:
    life = Life(aws, seed)

    for _ in range(STEPS):
        life.step()
    life.end()

    assert aws.instances() == 0
    assert aws.twin.capacity.taken("ml.g5.4xlarge") == 0
