"""The engine process: `python -m engine <file descriptor>` of its end of the channel.

It lives as long as the channel. Signals are the server's business: it drains first, then hangs up.
"""

import signal

for _number in (signal.SIGTERM, signal.SIGINT):
    # Before anything slow is imported, because a process group is signalled as a whole.
    signal.signal(_number, signal.SIG_IGN)

import os
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from artifact.folder import check_folder
from engine.channel import Channel
from engine.intake import Intake
from engine.protocol import Configure, Loaded, LoadFailed


def main() -> int:
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false")
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    intake = Intake(channel)
    settings = intake.settings()
    # From here on a hang-up ends the process, even in the middle of a load.
    threading.Thread(target=intake.read, name="intake", daemon=True).start()
    return _serve(channel, intake, settings)


def _serve(channel: Channel, intake: Intake, settings: Configure) -> int:
    try:
        with ThreadPoolExecutor(1, "check") as threads:
            # Checksums leave the interpreter to the imports, and both take seconds.
            checked = threads.submit(check_folder, Path(settings.model_dir))
            from engine.load import load  # noqa: PLC0415 - seconds of imports, after the channel is up
            from engine.loop import Loop  # noqa: PLC0415 - the same

            artifact = checked.result()
        model = load(settings)
        loop = Loop(model.runner, model.text, model.budget, model.eos, channel.send)
    except Exception as error:  # noqa: BLE001 - process boundary: whatever it was, /ping must say it
        channel.send([LoadFailed(f"{type(error).__name__}: {error}")])
        return 1
    intake.open(model.text, model.guides.check, model.max_model_len, loop.inbox)
    channel.send([Loaded(model.max_model_len, model.budget.kv_tokens, artifact, model.recipe, model.engine)])
    loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
