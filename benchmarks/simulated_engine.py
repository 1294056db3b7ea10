"""An engine process whose device does nothing but take time: `simulated_engine.py <file descriptor>`.

Loop, policy, block counting, intake and channel are the real ones; only the arithmetic is replaced by sleep. So what is
measured is the serving, in the same way on every machine. A word is a token. Set by variables:

SIMULATED_STEP_S      seconds of a step (0.01)
SIMULATED_READ_S      seconds more for each prompt token of a step (0.00002)
SIMULATED_KV_TOKENS   room for keys and values, in tokens (65536)
SIMULATED_OOM         probability that a step runs out of the device's memory (0)
SIMULATED_NAN         probability that a drawn token has lost its numbers (0)
SIMULATED_SEED        of both (1)
"""

import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence

from engine.channel import Channel
from engine.device import Drawn, OutOfDeviceMemoryError
from engine.intake import Intake
from engine.loop import Loop
from engine.policy import Budget, Opened, Plan
from engine.protocol import Loaded, Submit
from engine.text import RequestRefusedError

CONTEXT_TOKENS = 8192
_STEP_TOKENS = 2048
_BLOCK_TOKENS = 16


def _set(name: str, default: float) -> float:
    return float(os.environ.get(f"SIMULATED_{name}", default))


class Words:
    """Every answer is `word word word …`; a token's number is its word's length."""

    def encode(self, request: Submit) -> list[int]:
        said = request.prompt or " ".join(message["content"] for message in request.messages or [])
        ids = [len(word) for word in said.split()]
        if not ids:
            raise RequestRefusedError("invalid_request", "the prompt is empty: 0 words, need at least 1", "inputs")
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(" word" for _ in ids)

    def token(self, token: int) -> str:  # noqa: ARG002 - they all read the same
        return " word"

    def detokenise(self, tokens: Sequence[int]) -> str:
        return self.decode(tokens)


class SimulatedDevice:
    """Args: step_s, read_s: as in the module's variables; oom, nan: probabilities."""

    def __init__(self, step_s: float, read_s: float, oom: float, nan: float, seed: int) -> None:
        self._step_s, self._read_s, self._oom, self._nan = step_s, read_s, oom, nan
        self._random = random.Random(seed)  # noqa: S311 - faults, not secrets
        self._open: set[int] = set()

    def open(self, opened: Opened, request: Submit, prompt: Sequence[int]) -> None:  # noqa: ARG002 - the protocol's
        if opened.slot in self._open:
            raise RuntimeError(f"slot {opened.slot} was opened twice")
        self._open.add(opened.slot)

    def close(self, slot: int) -> None:
        self._open.remove(slot)

    def step(self, plan: Plan) -> dict[int, Drawn | FloatingPointError]:
        time.sleep(self._step_s + self._read_s * sum(chunk.count for chunk in plan.chunks))
        if self._random.random() < self._oom:
            raise OutOfDeviceMemoryError("simulated: no room for this step")
        speakers = [*plan.decode, *(chunk.slot for chunk in plan.chunks if chunk.last)]
        return {slot: self._drawn() for slot in speakers}

    def _drawn(self) -> Drawn | FloatingPointError:
        lost = self._random.random() < self._nan
        return FloatingPointError("simulated: a token without numbers") if lost else Drawn(4)


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    intake = Intake(channel)
    settings = intake.settings()
    threading.Thread(target=intake.read, name="intake", daemon=True).start()
    slots, kv_tokens = settings.max_concurrency, int(_set("KV_TOKENS", 65_536))
    device = SimulatedDevice(
        _set("STEP_S", 0.01), _set("READ_S", 0.00002), _set("OOM", 0), _set("NAN", 0), int(_set("SEED", 1))
    )
    budget = Budget(slots, kv_tokens // _BLOCK_TOKENS, max(_STEP_TOKENS, 2 * slots), _BLOCK_TOKENS)
    loop = Loop(device, Words(), budget, frozenset(), channel.send)
    longest = min(CONTEXT_TOKENS, budget.kv_tokens)
    intake.open(Words(), lambda _: None, longest, loop.inbox)
    channel.send([Loaded(longest, budget.kv_tokens, "0" * 64, "simulated", "sleep")])
    loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
