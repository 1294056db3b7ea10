"""The one clock of the embedded AWS."""

import math
import threading
import time

import pytest

from local.clock import Clock


def test_a_minute_of_aws_passes_as_fast_as_the_scale_says() -> None:
    clock = Clock(scale=600)
    began_real_s, began_s = time.monotonic(), clock.time()

    clock.sleep(60)

    assert clock.time() - began_s >= 60
    assert 0.1 <= time.monotonic() - began_real_s < 5


def test_a_wait_ends_with_its_event() -> None:
    event = threading.Event()
    event.set()

    assert Clock().wait(event, 3600)


@pytest.mark.parametrize("scale", [0, -1, math.inf, math.nan])
def test_time_that_does_not_pass_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=f"got {scale}"):
        Clock(scale)
