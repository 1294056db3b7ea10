"""Contender of `benchmarks.serving`: transformers' `generate()` over one static batch, float32."""

import json
import os
import sys
import time
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")

import torch
from transformers import AutoModelForCausalLM


@torch.inference_mode()
def main(folder: str) -> int:
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        longest = max(map(len, asked["prompts"]))
        ids = torch.tensor([[0] * (longest - len(one)) + one for one in asked["prompts"]])
        mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in asked["prompts"]])
        began = time.perf_counter()
        output = model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=asked["new_tokens"],
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        seconds = time.perf_counter() - began
        print(json.dumps({"tokens": (output.shape[1] - longest) * len(ids), "seconds": seconds}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
