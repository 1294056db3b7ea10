"""Contender of `benchmarks.serving`: our engine process, spoken to as the server does, without HTTP."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

IMAGE = Path(__file__).parents[1] / "inference_image"
sys.path.insert(0, str(IMAGE))

from engine.protocol import Configure, Failed, Finished, Loaded, LoadFailed, Rejected, Submit, decode, encode  # noqa: E402 - needs the image's root on the path
from server.engine_process import environment  # noqa: E402 - the same


def main(folder: str, dtype: str) -> int:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine", str(theirs.fileno())], pass_fds=[theirs.fileno()], env=environment()
        )
    lines = ours.makefile("rb")
    slots = int(os.environ.get("SLIPWAY_MAX_CONCURRENCY", "32"))
    ours.sendall(encode([Configure(folder, slots, None, 512, dtype, None)]))
    said = next(event for line in lines for event in decode(line) if isinstance(event, Loaded | LoadFailed))
    if isinstance(said, LoadFailed):
        raise SystemExit(said.reason)
    print("ready", flush=True)
    # The engine takes text; the prompts are given as tokens so that every contender reads the same ones.
    from tokenizers import Tokenizer  # noqa: PLC0415 - not on the engine's own way to start

    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    for number, line in enumerate(sys.stdin):
        asked = json.loads(line)
        texts = [tokenizer.decode(prompt, skip_special_tokens=False) for prompt in asked["prompts"]]
        print(json.dumps(_burst(ours, lines, f"b{number}", texts, asked["new_tokens"])), flush=True)
    # The socket stays open as long as the file made of it.
    lines.close()
    ours.close()
    process.wait(10)
    return 0


def _burst(ours: socket.socket, lines: Any, name: str, texts: list[str], new_tokens: int) -> dict[str, float]:
    requests = [
        # A salt of its own: what an earlier request computed is not used, as it is not by the peers.
        Submit(f"{name}-{n}", prompt=text, max_tokens=new_tokens, ignore_eos=True, cache_salt=f"{name}-{n}")
        for n, text in enumerate(texts)
    ]
    began = time.perf_counter()
    ours.sendall(encode(requests))
    tokens, left = 0, len(requests)
    while left:
        for event in decode(next(lines)):
            if isinstance(event, Rejected | Failed):
                raise SystemExit(event.message)
            if isinstance(event, Finished):
                tokens, left = tokens + event.generated_tokens, left - 1
    return {"tokens": tokens, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
