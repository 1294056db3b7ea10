"""What people who use an endpoint see while its traffic moves: shares, whole answers, whole sessions."""

import http.client
import math
import os
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.integration.sagemaker.conftest import Aws

REQUESTS = 10_000 if os.environ.get("SLIPWAY_PROOF") == "prove" else 400
CONNECTIONS = 8
HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/sagemaker/aws4_request, Signature=none"
}
ONE = {"Type": "INSTANCE_COUNT", "Value": 1}
WAIT_S = 60  # half a real second


def ask(port: int, requests: int) -> Counter[str]:
    """Which config answered how often, over one connection. Anything but a whole answer raises."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    seen: Counter[str] = Counter()
    for _ in range(requests):
        connection.request("POST", "/endpoints/chat/invocations", b"echo", HEADERS)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        seen[body.decode().partition(":")[0]] += 1
    connection.close()
    return seen


def share_of_green(aws: Aws) -> int:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        counts = pool.map(ask, [aws.world.port] * CONNECTIONS, [REQUESTS // CONNECTIONS] * CONNECTIONS)
        seen = sum(counts, Counter())
    assert seen.total() == REQUESTS
    return seen["green"]


def interval(trials: int, probability: float, outside: float) -> range:
    """The numbers of successes that leave at most half of `outside` of the binomial distribution on either side."""
    log_p, log_q = math.log(probability), math.log1p(-probability)
    logs = [
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_p + (trials - k) * log_q
        for k in range(trials + 1)
    ]
    below, low = 0.0, 0
    while below + math.exp(logs[low]) <= outside / 2:
        below += math.exp(logs[low])
        low += 1
    above, high = 0.0, trials
    while above + math.exp(logs[high]) <= outside / 2:
        above += math.exp(logs[high])
        high -= 1
    return range(low, high + 1)


def test_the_interval_is_the_binomial_distributions() -> None:
    # By hand: 10 throws of a fair coin; 0 or 10 heads come 2 times in 1024, 1 or 9 another 20 times.
    assert interval(10, 0.5, outside=3 / 1024) == range(1, 10)
    assert interval(10, 0.5, outside=23 / 1024) == range(2, 9)


def test_a_canary_of_10_percent_gets_10_percent_of_the_requests(aws: Aws) -> None:
    aws.endpoint(aws.config("blue", instances=10))
    size = {"Type": "CAPACITY_PERCENT", "Value": 10}
    aws.update(aws.config("green", instances=10), wait_s=3600, Type="CANARY", CanarySize=size)
    aws.until(aws.baking, within_s=30)

    fitting = interval(REQUESTS, 0.1, outside=0.01)
    seen = [share_of_green(aws)]
    if seen[0] not in fitting:
        seen.append(share_of_green(aws))  # once in a hundred runs by chance; both, once in ten thousand

    assert seen[-1] in fitting, f"{seen} of {REQUESTS} requests; 99 % lie in {fitting}"


@dataclass
class Visitor:
    """Somebody who uses the endpoint all the time, in sessions, in streams and in single requests."""

    aws: Aws
    failures: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    sessions: int = 0

    def stay(self, over: threading.Event) -> None:
        while not over.is_set():
            for deed in (self._ask, self._stream, self._have_a_session):
                try:
                    deed()
                except (ClientError, BotoCoreError) as error:
                    self.failures.append(f"{deed.__name__}: {error}")

    def _ask(self) -> None:
        self.answers[self.aws.invoke()["Body"].read().decode().partition(":")[0]] += 1

    def _stream(self) -> None:
        parts = self.aws.stream("stream 20")
        if parts != [b"data: %d\n\n" % number for number in range(20)]:
            self.failures.append(f"a stream of {parts}")

    def _have_a_session(self) -> None:
        opened = self.aws.invoke("session-open 3600", SessionId="NEW_SESSION")
        session, host = opened["NewSessionId"].partition(";")[0], int(opened["Body"].read())
        try:
            hosts = {self.aws.facts(SessionId=session)["pid"] for _ in range(4)}
            self.aws.invoke("session-close", SessionId=session)
        except ClientError as error:
            # It ended with its instance and says so; that another one went on with it would be wrong.
            if f"Session {session} of endpoint chat does not exist" not in str(error):
                raise
            return
        self.sessions += 1
        if hosts != {host}:
            self.mixed.append(f"session of {host} answered by {hosts}")


def blue_green(**routing: Any) -> dict[str, Any]:
    routing = {"WaitIntervalInSeconds": WAIT_S, **routing}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}


@pytest.mark.parametrize(
    "policy",
    [
        # Without a bake blue is told to go while it still answers.
        pytest.param(blue_green(Type="ALL_AT_ONCE", WaitIntervalInSeconds=0), id="all at once"),
        pytest.param(blue_green(Type="CANARY", CanarySize=ONE), id="canary"),
        pytest.param(blue_green(Type="LINEAR", LinearStepSize=ONE), id="linear"),
        pytest.param({"RollingUpdatePolicy": {"MaximumBatchSize": ONE, "WaitIntervalInSeconds": WAIT_S}}, id="rolling"),
    ],
)
def test_no_request_fails_and_no_session_is_mixed_during_a_shift(aws: Aws, policy: Mapping[str, Any]) -> None:
    aws.endpoint(aws.config("blue", instances=2))
    visitors, over = [Visitor(aws) for _ in range(3)], threading.Event()

    with ThreadPoolExecutor(len(visitors)) as pool:
        stays = [pool.submit(visitor.stay, over) for visitor in visitors]
        try:
            aws.until(lambda: all(visitor.sessions for visitor in visitors))
            green = aws.config("green", instances=2)
            aws.sagemaker.update_endpoint(EndpointName="chat", EndpointConfigName=green, DeploymentConfig=policy)
            settled = aws.settled(within_s=60)
            before = [visitor.sessions for visitor in visitors]
            aws.until(lambda: all(v.sessions > count for v, count in zip(visitors, before, strict=True)))
        finally:
            over.set()
    for stay in stays:
        stay.result()

    assert settled["EndpointConfigName"] == "green", settled
    assert [visitor.failures for visitor in visitors] == [[]] * 3
    assert [visitor.mixed for visitor in visitors] == [[]] * 3
    assert set(sum((visitor.answers for visitor in visitors), Counter())) == {"blue", "green"}
