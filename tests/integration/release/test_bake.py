"""The bake gate on the twin: green is asked and measured under traffic, and what does not prove itself goes back."""

from typing import Any

import pytest

from tests.builders.artifacts import artifact
from tests.integration.release.conftest import Stack
from tests.integration.release.test_preflight import record
from tests.integration.release.test_rollouts import first_live


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that runs other tests too may be silent for more than the four seconds that 120 s are here."""
    monkeypatch.setattr("release.adapters.alarms.DEAD_MAN_S", 900)


def baked(stack: Stack, marker: str, seconds: int) -> tuple[str, dict[str, Any]]:
    """A release that bakes so long beside the first one; its rollout and how it was settled."""
    manifest = f'{{"config": {{"bakeSeconds": {seconds}}}}}'.encode()
    rollout = str(stack.call("receive_artifact", stack.drop("v2", artifact(marker), manifest))["rolloutId"])
    return rollout, stack.release(rollout)


def bake_of(stack: Stack, rollout: str) -> dict[str, Any]:
    (gate,) = [gate for gate in record(stack, rollout)["gates"] if gate["gate"] == "bake"]
    return dict(gate)


@pytest.mark.parametrize(
    ("marker", "because"),
    [
        pytest.param("rude", "errors in all: green", id="green answers 500"),
        pytest.param("slow", "probe latency: green's median", id="green thinks for a quarter of a second"),
    ],
)
def test_a_green_that_is_proved_worse_goes_back_long_before_its_bake_ends(
    stack: Stack, marker: str, because: str
) -> None:
    first = first_live(stack)

    # Forty seconds here; the proof is there after a few.
    rollout, settled = baked(stack, marker, 1200)

    assert settled["phase"] == "rolled_back", settled["reason"]
    assert stack.answers().endswith(f"rollout={first}")
    gate = bake_of(stack, rollout)
    assert gate["verdict"] == "failed"
    assert because in gate["reason"]
    assert gate["reason"] in settled["reason"]
    assert [line["event"] for line in stack.ledger() if line.get("rolloutId") == rollout].count("gateJudged") == 2


@pytest.mark.prove
def test_too_little_evidence_is_inconclusive_and_never_passes(stack: Stack) -> None:
    first = first_live(stack)

    rollout, settled = baked(stack, "sluggish", 900)

    assert settled["phase"] == "rolled_back", settled["reason"]
    gate = bake_of(stack, rollout)
    assert gate["verdict"] == "inconclusive"
    assert "requests, 250 are needed" in gate["reason"]
    assert stack.answers().endswith(f"rollout={first}")


def test_a_person_who_skips_the_bake_s_verdict_is_told_in_the_record(stack: Stack) -> None:
    first_live(stack)
    manifest = b'{"config": {"bakeSeconds": 120}}'
    rollout = str(stack.call("receive_artifact", stack.drop("v2", artifact("sluggish"), manifest))["rolloutId"])
    stack.operate("skip-gate", rollout=rollout, gate="bake")

    assert stack.release(rollout)["phase"] == "live"

    assert bake_of(stack, rollout)["reason"] == "ana skipped it: the test says so"


@pytest.mark.prove
def test_a_green_like_blue_is_proved_and_goes_live(stack: Stack) -> None:
    first_live(stack)

    rollout, settled = baked(stack, "late", 1200)

    assert settled["phase"] == "live", settled["reason"]
    gate = bake_of(stack, rollout)
    assert gate["verdict"] == "passed"
    assert "25 % is ruled out" in gate["evidence"]["probe latency"]
    assert stack.answers().endswith(f"rollout={rollout}")
