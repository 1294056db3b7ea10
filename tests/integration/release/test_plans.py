"""What a rollout will take and cost is told and judged before anything is made, on the embedded AWS."""

import json
from typing import Any

import pytest

from release.errors import InvalidInputError, PlanRefusedError
from tests.builders.artifacts import artifact
from tests.integration.release.conftest import Stack, execution_of
from tests.integration.release.test_rollouts import dropped, first_live

SETTINGS, PRICES = "/slipway/endpoints/chat", "/slipway/prices"


def parameter(stack: Stack, name: str, value: Any) -> None:
    stack.client("ssm").put_parameter(Name=name, Value=json.dumps(value), Type="String", Overwrite=True)


def pushed_and_dropped(stack: Stack) -> str:
    stack.call("receive_image", stack.push())
    return dropped(stack, "v1")


def made(stack: Stack) -> list[str]:
    """Everything of a release that SageMaker holds."""
    client = stack.client("sagemaker")
    return [
        *(one["ModelName"] for one in client.list_models()["Models"]),
        *(one["EndpointConfigName"] for one in client.list_endpoint_configs()["EndpointConfigs"]),
        *(one["EndpointName"] for one in client.list_endpoints()["Endpoints"]),
    ]


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        pytest.param(
            {"budget": {"monthDollars": "1000"}}, "$1,481.90 a month and the budget monthDollars", id="budget"
        ),
        pytest.param(
            {"freezes": [{"since": "2020-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z", "reason": "holidays"}]},
            "frozen until 2999-01-01T00:00:00Z: holidays",
            id="freeze",
        ),
    ],
)
def test_what_the_owner_forbids_ends_before_anything_is_made(
    stack: Stack, policy: dict[str, Any], sentence: str
) -> None:
    """730 hours of one ml.g5.4xlarge at $2.03."""
    parameter(stack, SETTINGS, {"policy": policy})

    settled = stack.release(pushed_and_dropped(stack))

    assert settled["phase"] == "failed"
    assert sentence in settled["reason"]
    assert made(stack) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(SETTINGS, {"policy": {"budget": {"monthDollars": 1000}}}, id="a budget that is a binary fraction"),
        pytest.param(PRICES, {"hourlyDollars": {}}, id="a price list without a date"),
    ],
)
def test_what_cannot_be_read_allows_nothing(stack: Stack, name: str, value: Any) -> None:
    rollout = pushed_and_dropped(stack)
    parameter(stack, name, value)

    settled = stack.release(rollout)

    assert (settled["phase"], made(stack)) == ("failed", [])


def test_a_quota_that_is_too_small_ends_a_rollout_before_anything_is_made(stack: Stack) -> None:
    first = first_live(stack)
    before = made(stack)
    stack.quotas.set("ml.g5.4xlarge for endpoint usage", 1, 0)

    settled = stack.release(dropped(stack, "v2"))

    assert settled["phase"] == "failed"
    assert "is 1 and this rollout needs 1 of green beside 1 of blue" in settled["reason"]
    assert made(stack) == before
    assert stack.answers().endswith(f"rollout={first}")


def test_a_plan_alone_answers_with_its_price_and_publishes_nothing(stack: Stack) -> None:
    parameter(stack, PRICES, {"date": "2026-12-01", "region": "us-east-1", "source": "our bill",
                              "hourlyDollars": {"ml.g5.4xlarge": "1.00"}})  # fmt: skip
    stack.call("receive_image", stack.push())
    for path, body in artifact("v1").items():
        stack.upload(f"models/chat/v1/{path}", body)
    stack.upload("models/chat/v1/manifest.json", b"{}")
    asked = {"endpoint": "chat", "artifact": "models/chat/v1", "planOnly": True}

    step = stack.call("register_rollout", {"input": asked, "executionArn": execution_of("by hand")})
    rollout = {"endpoint": "chat", "rolloutId": step["rolloutId"]}
    stack.call("examine_artifact", rollout)
    planned = stack.call("plan_rollout", rollout | {"planOnly": True})
    settled = stack.call(
        "settle_rollout",
        rollout | {"executionArn": execution_of("by hand"), "outcome": "live", "error": "", "cause": ""},
    )

    assert planned["estimate"]["price"]["monthDollars"] == "730.00"
    assert settled["plan"]["estimate"] == planned["estimate"]
    assert (settled["phase"], made(stack)) == ("skipped", [])
    assert "Contents" not in stack.client("s3").list_objects_v2(Bucket="slipway-artifacts", Prefix="published/")


def test_a_way_back_is_held_by_no_policy_and_by_no_broken_price_list(stack: Stack) -> None:
    first = first_live(stack)
    assert stack.release(dropped(stack, "v2"))["phase"] == "live"
    parameter(stack, SETTINGS, {"policy": {"budget": {"monthDollars": "1"}}})
    parameter(stack, PRICES, {})

    chosen = stack.call("choose_release", {"input": {"endpoint": "chat"}, "executionArn": "arn:rollback"})

    assert stack.release(chosen["rolloutId"])["phase"] == "live"
    assert stack.answers().endswith(f"rollout={first.replace('-1', '-2')}")


def test_the_refusal_has_a_name_of_its_own(stack: Stack) -> None:
    """The machine's runbook tells `PlanRefusedError` from settings that nobody can read."""
    rollout = {"endpoint": "chat", "rolloutId": pushed_and_dropped(stack)}
    stack.call("examine_artifact", rollout)
    stack.call("publish_artifact", rollout)
    parameter(stack, SETTINGS, {"policy": {"budget": {"monthDollars": "1"}}})
    with pytest.raises(PlanRefusedError):
        stack.call("plan_rollout", rollout | {"planOnly": False})
    parameter(stack, SETTINGS, {"rules": {}})

    with pytest.raises(InvalidInputError, match="rules"):
        stack.call("plan_rollout", rollout | {"planOnly": False})
