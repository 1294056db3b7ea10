"""The execution role's session: taken once, told apart when it cannot be had, and not carried into a later run."""

import copy
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from local.sagemaker.errors import AwsError
from local.sagemaker.execution_role import ExecutionRole
from local.world import World

ROLE = "arn:aws:iam::123456789012:role/execution"


class CountingWorld(World):
    """Counts the sessions that a role is taken for; `broken` is what taking it raises."""

    taken = 0
    broken: ClientError | BotoCoreError | None = None

    def role_credentials(self, *_: object, **__: object) -> dict[str, str]:
        if self.broken:
            raise self.broken
        self.taken += 1
        return {"AccessKeyId": f"key-{self.taken}", "SecretAccessKey": "secret", "SessionToken": "token"}

    def client(self, service: str, credentials: dict[str, str] | None = None, *, validate: bool = True) -> Any:
        assert credentials
        assert validate
        return f"{service} with {credentials['AccessKeyId']}"


@pytest.fixture
def world(tmp_path: Path) -> CountingWorld:
    return CountingWorld(0, tmp_path)


def test_one_session_serves_all_clients(world: CountingWorld) -> None:
    # A deployment reads its alarms every few seconds: a session and a client for each look would pile up for hours.
    role = ExecutionRole(world, ROLE)

    assert [role.client(name) for name in ("s3", "ecr", "s3")] == ["s3 with key-1", "ecr with key-1", "s3 with key-1"]
    assert world.taken == 1


def test_a_later_run_takes_the_role_again(world: CountingWorld) -> None:
    role = ExecutionRole(world, ROLE)
    role.client("s3")

    assert copy.copy(role).client("s3") == "s3 with key-2"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(
            ClientError({"Error": {"Code": "AccessDenied", "Message": "it says no"}}, "AssumeRole"), id="refused"
        ),
        pytest.param(ReadTimeoutError(endpoint_url="it says no"), id="no answer"),
    ],
)
def test_a_role_that_cannot_be_taken_is_named(world: CountingWorld, broken: ClientError | BotoCoreError) -> None:
    world.broken = broken

    with pytest.raises(AwsError, match=r"Could not assume role .*it says no"):
        ExecutionRole(world, ROLE).client("s3")
