"""Contender of `benchmarks.serving`: openvino-genai's continuous batching over a GGUF file.

It runs in an environment of its own: `benchmarks/peers/install.sh openvino` makes it, and
`benchmarks/peers/requantise.py` the file, in 8 bits as our engine has them.
"""

import json
import os
import sys
import time
from importlib import import_module
from typing import Any

import numpy as np

# Of the peer's environment; ours does not hold them.
openvino: Any = import_module("openvino")
openvino_genai: Any = import_module("openvino_genai")


def main(file: str) -> int:
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.max_num_batched_tokens, scheduler.max_num_seqs = 1024, 32
    scheduler.cache_size, scheduler.enable_prefix_caching = 1, False
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    pipeline = openvino_genai.ContinuousBatchingPipeline(file, scheduler, "CPU", {"INFERENCE_NUM_THREADS": threads})
    asked = openvino_genai.GenerationConfig()
    asked.ignore_eos, asked.do_sample, asked.apply_chat_template = True, False, False
    print("ready", flush=True)
    for line in sys.stdin:
        burst = json.loads(line)
        asked.max_new_tokens = burst["new_tokens"]
        prompts = [openvino.Tensor(np.array([one], dtype=np.int64)) for one in burst["prompts"]]
        began = time.perf_counter()
        answers = pipeline.generate(prompts, [asked] * len(prompts))
        seconds = time.perf_counter() - began
        tokens = sum(len(one.m_generation_ids[0]) for one in answers)
        print(json.dumps({"tokens": tokens, "seconds": seconds}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
