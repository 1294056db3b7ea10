"""How busy instances are, read from the kernel's account of their processes.

Source of the numbers' meaning: "SageMaker AI endpoint metrics" of SageMaker's guide: CPUUtilization is 0-100 for each
core and summed up, the others are percentages of the instance, which here is this machine. Fields: proc(5).
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local.sagemaker.fleets.instance import Instance

PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MEMORY_BYTES = os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES


@dataclass
class Usage:
    cpu_s: float = 0.0
    memory_bytes: int = 0


class InstanceSampler:
    """Compares each look with the one before, so an instance's first look says nothing of its CPU."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, float]] = {}

    def sample(self, instances: Iterable[Instance]) -> Iterator[tuple[Instance, dict[str, float]]]:
        """Each instance with its metrics in percent."""
        usages, now_s = usage_by_group(), time.monotonic()
        before, self._before = self._before, {}
        for instance in instances:
            usage = usages.get(instance.process.pid)
            if usage is None:
                continue  # it has just ended
            self._before[instance.id] = now_s, usage.cpu_s
            values = {
                "MemoryUtilization": 100 * usage.memory_bytes / _MEMORY_BYTES,
                "DiskUtilization": 100 * _size(instance.folder) / shutil.disk_usage(instance.folder.parent).total,
            }
            if instance.id in before:
                then_s, cpu_s = before[instance.id]
                # A process of the group that ended took its account with it.
                values["CPUUtilization"] = max(0.0, 100 * (usage.cpu_s - cpu_s) / (now_s - then_s))
            yield instance, values


def usage_by_group() -> dict[int, Usage]:
    """CPU seconds and resident memory of every process group of this machine."""
    usages: dict[int, Usage] = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue  # it ended while we looked
        # The name is in brackets and may hold anything; after it stands the state, proc(5)'s third field.
        fields = stat.rpartition(")")[2].split()
        usage = usages.setdefault(int(fields[2]), Usage())
        usage.cpu_s += (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        usage.memory_bytes += int(fields[21]) * _PAGE_BYTES
    return usages


def _size(folder: Path) -> int:
    """Bytes of the files in a folder; 0 once the folder is gone."""
    sizes = 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                sizes += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return sizes
