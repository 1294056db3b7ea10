"""A thread that looks again and again."""

import threading

import pytest

from local.clock import Clock
from local.looking import Looking, pause_s


def test_a_look_that_breaks_is_told_and_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    looks, third = [0], threading.Event()

    def look() -> None:
        looks[0] += 1
        if looks[0] == 3:
            third.set()
        raise ValueError("a strange thing")

    looking = Looking("looker", 0.001, look)
    looking.start()
    came = third.wait(5)
    looking.stop()

    assert came
    assert "looker: a look broke" in caplog.text
    assert "looker" not in {thread.name for thread in threading.enumerate()}


def test_what_never_started_can_be_stopped() -> None:
    Looking("looker", 0.001, lambda: None).stop()


@pytest.mark.parametrize(("scale", "pause"), [(1, 1.0), (2, 0.5), (0.1, 1.0), (1000, 0.1)])
def test_a_second_of_aws_passes_between_looks_within_reason(scale: float, pause: float) -> None:
    assert pause_s(Clock(scale)) == pause
