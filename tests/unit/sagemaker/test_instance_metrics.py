"""The kernel's account of process groups, compared with what a process says of itself."""

import os
import subprocess
import sys

from local.sagemaker.data_plane.instance_metrics import usage_by_group

# It burns 0.3 s of CPU, says what the kernel charged it with by getrusage(2), and waits.
BURN = """
import resource, sys, time
kept = bytearray(64 * 1024 * 1024)
while time.process_time() < 0.3: pass
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, flush=True)
sys.stdin.read()
"""


def test_a_groups_usage_is_what_its_process_used() -> None:
    with subprocess.Popen(
        [sys.executable, "-I", "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
    ) as child:
        assert child.stdout is not None
        said = float(child.stdout.readline())

        usage = usage_by_group()[child.pid]
        child.communicate()

    # The kernel counts whole ticks of 10 ms, for user and system time each.
    assert abs(usage.cpu_s - said) <= 0.03
    assert 64 * 2**20 <= usage.memory_bytes < 256 * 2**20


def test_groups_are_told_apart() -> None:
    usages = usage_by_group()

    assert os.getpgrp() in usages
    assert len(usages) > 1
