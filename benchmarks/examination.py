"""How little of a three-billion-parameter artifact an examination reads, and how long it takes:
`python -m benchmarks.examination`.

The weights are a hole in a file, so the figure is that of the examination without a network; what a real bucket adds
is one request for each file and two or three for each shard.
"""

import os
import tempfile
import time
from pathlib import Path

from release.contracts.steps import RolloutStep
from tests.builders import stablelm
from tests.builders.house import House
from tests.fakes.folder import FolderArtifacts

RUNS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        drop = Path(scratch) / "models/chat/v1"
        stablelm.lay_out(drop)
        (drop / "manifest.json").write_text("{}")
        artifact_bytes = sum(path.stat().st_size for path in drop.iterdir())
        times, read = [], 0
        for _ in range(RUNS):
            bucket = FolderArtifacts(Path(scratch))
            times.append(_examined(bucket))
            read = bucket.bytes_read
    print(f"{read} of {artifact_bytes} bytes read, {100 * read / artifact_bytes:.4f} %")
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    print(f"{min(times):.2f} s at best, {max(times):.2f} s at worst of {RUNS} runs, at a load of {load:.1f} per core")


def _examined(bucket: FolderArtifacts) -> float:
    house = House(artifacts=bucket)
    house.push()
    rollout = house.seal("models/chat/v1/manifest.json")
    if rollout is None:
        raise RuntimeError("the drop started no rollout; run the release tests first")
    bucket.bytes_read = 0
    started = time.perf_counter()
    judged = house.examining.examine(RolloutStep(endpoint="chat", rollout_id=rollout))
    took = time.perf_counter() - started
    if judged.verdict != "passed":
        raise RuntimeError(f"the examination refused its own example: {judged.reason}")
    return took


if __name__ == "__main__":
    main()
