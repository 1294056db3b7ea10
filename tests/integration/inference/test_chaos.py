"""The real server over the real loop and a simulated device, while clients leave and the device fails."""

from pathlib import Path

import pytest

from benchmarks.chaos import hang, leavers_and_faults, shutdown
from benchmarks.spike import Phases, peak, spike


def proved(requests: int, log: Path) -> None:
    seen = leavers_and_faults(requests, log)

    assert seen["requests"] == requests
    # No end without a word, and none that passes for success.
    assert set(seen["ends"]) <= {"complete", "left", "failed", "refused"}, seen
    assert seen["ends"]["complete"] > requests / 2
    # A lost step and a lost number, and nothing worse: the engine that lost a block would have ended.
    assert set(seen["codes"]) <= {"out_of_memory", "engine_failed"}, seen
    assert not any(seen["held"].values()), seen
    assert (seen["last"], seen["ping"], set(seen["pings"])) == ("complete", 200, {200})


def test_clients_that_leave_and_a_device_that_fails_leak_nothing_and_nothing_lies(tmp_path: Path) -> None:
    proved(400, tmp_path / "log")


@pytest.mark.prove
def test_ten_thousand_requests_leak_nothing_and_nothing_lies(tmp_path: Path) -> None:
    proved(10_000, tmp_path / "log")


def test_sigterm_lets_sixty_four_streams_end_whole(tmp_path: Path) -> None:
    seen = shutdown(64, 300, tmp_path / "log")

    assert seen["ends"] == {"complete": 64}, seen
    assert seen["exit_code"] == 0


@pytest.mark.prove
def test_sigterm_accounts_for_streams_that_are_too_long(tmp_path: Path) -> None:
    seen = shutdown(64, 6000, tmp_path / "log")

    assert set(seen["ends"]) <= {"complete", "failed drained"}, seen
    assert seen["ends"]["failed drained"] > 0
    assert sum(seen["ends"].values()) == 64
    assert seen["exit_code"] == 0
    assert seen["exit_s"] < 29, "SageMaker kills 30 s after SIGTERM"


@pytest.mark.prove
def test_ping_finds_a_hung_engine_and_is_not_fooled_by_a_busy_one(tmp_path: Path) -> None:
    seen = hang(60, tmp_path / "log")

    assert set(seen["pings"]) == {200}, seen
    assert seen["hang_found_s"] <= 10, seen


@pytest.mark.prove
def test_admission_keeps_what_first_come_first_served_loses(tmp_path: Path) -> None:
    best = peak(tmp_path / "log", 8.0)
    phases = Phases(5.0, 15.0, 15.0, 0.7 * best, times=10 / 0.7)
    ours, unbounded = (spike(phases, best, tmp_path / "log", admission=admission) for admission in (True, False))

    # The share of the peak is measured by benchmarks/spike.py; on a busy machine only the comparison is certain.
    assert ours["goodput_per_s"] > 3 * unbounded["goodput_per_s"], (ours, unbounded)
    assert ours["past_deadline"] == 0
    assert set(ours["ends"]) <= {
        "complete",
        "refused deadline_unreachable",
        "refused queue_full",
        "failed deadline_exceeded",
    }
