"""StableLM-3B's full shape, with random weights: packaged to NF4, loaded as it is, and pushed to the local S3.

`python -m benchmarks.package [FOLDER]` needs some 10 GB of disk at FOLDER, a temporary one by default.
"""

import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from benchmarks.local_aws import embedded_aws
from release.domain.examination.architecture import Architecture, expected_tensors, read_architecture
from release.domain.keys import Drop
from slipway import uploads
from slipway.artifacts import manifest_of, read_artifact

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
MEMORY_LIMIT_GB, SIZE_LIMIT_GB, SPEED_LIMIT = 8.0, 2.1, 0.8
ROUNDS = 3
CONFIG: dict[str, Any] = {
    "architectures": ["StableLmForCausalLM"],
    "model_type": "stablelm",
    "hidden_size": 2560,
    "intermediate_size": 6912,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
    "partial_rotary_factor": 0.25,
    "rope_theta": 10000,
    "layer_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "use_qkv_bias": False,
    "vocab_size": 50304,
    "eos_token_id": 0,
    "bos_token_id": 0,
    "dtype": "bfloat16",
}
# The engine's own load in a process of its own; a matrix that is quantised again ends it.
LOAD = """
import json, resource, sys, time
from pathlib import Path
import bitsandbytes.functional as functional
import torch
from engine.model.config import read_config
from engine.model.decoder import Decoder
from engine.model.rows import RowStore
from engine.policy import Budget, Chunk

def refuse(*_, **__):
    raise SystemExit("the artifact was quantised again while it was loaded")

functional.quantize_4bit = refuse
folder, started = Path(sys.argv[1]), time.monotonic()
made = Decoder(read_config(folder), folder, torch.device("cpu"), "float32")
loaded = time.monotonic() - started
store = RowStore(made.config, made.dtype, Budget(1, 1, 2), 4)
aimed = store.aim([], [Chunk(0, 0, 2, last=True)])
logits = made.forward(torch.tensor([1, 2]), torch.arange(2), aimed, torch.tensor([1]))
assert bool(logits.isfinite().all())
print(json.dumps({"loaded_s": loaded, "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def say(line: str) -> None:
    print(line, flush=True)


def make_source(folder: Path) -> Architecture:
    """The model's folder, a layer in memory at a time."""
    folder.mkdir()
    model = read_architecture(CONFIG)
    assert isinstance(model, Architecture), model  # noqa: S101 - the constant above
    torch.manual_seed(0)
    places: dict[str, str] = {}
    groups: dict[str, list[Any]] = {}
    for one in expected_tensors(model):
        groups.setdefault(one.name.split(".")[2] if ".layers." in one.name else one.name, []).append(one)
    for number, group in enumerate(groups.values(), 1):
        path = f"model-{number:05}-of-{len(groups):05}.safetensors"
        held = {one.name: (torch.randn(one.shape) * 0.02).bfloat16() for one in group}
        save_file(held, folder / path, metadata={"format": "pt"})
        places |= dict.fromkeys(held, path)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(letters)}, merges=[])).save(
        str(folder / "tokenizer.json")
    )
    return model


def package(source: Path, output: Path) -> tuple[float, float]:
    """Seconds, and the command's largest memory in GB."""
    argv = [sys.executable, "-m", "slipway", "package", str(source), "--quantise", "nf4"]
    started = time.monotonic()
    subprocess.run([*argv, "--chat-template", "plain", "--output", str(output)], cwd=ROOT, check=True)
    took = time.monotonic() - started
    return took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9


def load(folder: Path) -> dict[str, float]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "inference_image")}
    argv = [sys.executable, "-c", LOAD, str(folder)]
    done = subprocess.run(argv, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def push_speeds(folder: Path) -> tuple[list[float], list[float]]:
    """Seconds of ours and of boto3's own upload of the same files, by turns, the seal left out."""
    files = read_artifact(folder)
    manifest_of(folder, files, None)
    ours, plain = [], []
    with embedded_aws() as (world, _, _):
        s3: Any = world.client("s3")
        s3.create_bucket(Bucket="bench")
        for number in range(ROUNDS):
            drop = Drop("chat", f"v{number}", "manifest.json")
            started = time.monotonic()
            uploads.upload(s3, "bench", drop, files, lambda _: None)
            ours.append(time.monotonic() - started)
            started = time.monotonic()
            for file in files:
                s3.upload_file(str(file.source), "bench", f"plain/{number}/{file.path}")
            plain.append(time.monotonic() - started)
            for key in [*(drop.prefix + file.path for file in files), *(f"plain/{number}/{one.path}" for one in files)]:
                s3.delete_object(Bucket="bench", Key=key)
    return ours, plain


def keep(claim: str, value: str) -> None:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    busy = f"load average {os.getloadavg()[0]:.0f}"
    result = {
        "how": "measured",
        "value": value,
        "hardware": f"{os.cpu_count()} cores, {busy}, {platform.machine()}, {platform.system()}",
        "versions": f"Python {platform.python_version()}, torch {torch.__version__}, commit {done.stdout.strip()}",
        "command": "python -m benchmarks.package",
        "date": datetime.now(UTC).date().isoformat(),
    }
    (RESULTS / f"{claim}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    say(f"{claim}: {value}")


def main() -> None:
    where = Path(tempfile.mkdtemp(prefix="slipway-package-", dir=sys.argv[1] if len(sys.argv) > 1 else None))
    source, output = where / "stablelm-3b-random", where / "stablelm-3b-random-nf4"
    try:
        say("making the source")
        make_source(source)
        plain_gb = sum(path.stat().st_size for path in source.glob("*.safetensors")) / 1e9
        took, peak_gb = package(source, output)
        size_gb = sum(path.stat().st_size for path in output.iterdir()) / 1e9
        keep(
            "package-3b",
            f"{took:.0f} s, {peak_gb:.1f} GB of memory at most (limit {MEMORY_LIMIT_GB:.0f}), an artifact of "
            f"{size_gb:.2f} GB (limit {SIZE_LIMIT_GB}) from {plain_gb:.2f} GB",
        )
        shutil.rmtree(source)
        loaded = load(output)
        weights_gb = sum(path.stat().st_size for path in output.glob("*.safetensors")) / 1e9
        load_gb = loaded["peak_kib"] * 1024 / 1e9
        keep(
            "quantisation-memory",
            f"{plain_gb:.2f} GB of bf16 weights become {weights_gb:.2f} GB in NF4 (random weights of the full shape); "
            f"loaded as they are in {loaded['loaded_s']:.1f} s, {load_gb:.1f} GB of memory at most",
        )
        ours, plain = push_speeds(output)
        share = statistics.median(plain) / statistics.median(ours)
        keep(
            "push-speed",
            f"{share:.0%} of the speed of boto3's upload_file (limit {SPEED_LIMIT:.0%}), medians of {ROUNDS} by turns, "
            f"{statistics.median(ours):.1f} s and {statistics.median(plain):.1f} s for {size_gb:.2f} GB",
        )
    finally:
        shutil.rmtree(where)


if __name__ == "__main__":
    main()
