"""Pings like SageMaker, from a process of its own: `prober.py <port>` until its input closes, then JSON.

Beside the load it would measure the load's own interpreter.
"""

import json
import select
import sys
import time
from http.client import HTTPConnection

_EVERY_S = 0.1
_LIMIT_S = 10.0


def main() -> int:
    connection = HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=_LIMIT_S)
    pings = []
    slept = time.monotonic()
    while not select.select([sys.stdin], [], [], _EVERY_S)[0]:
        started = time.monotonic()
        late = started - slept - _EVERY_S
        connection.request("GET", "/ping")
        answer = connection.getresponse()
        answer.read()
        slept = time.monotonic()
        pings.append((slept - started, answer.status, late))
    sys.stdout.write(json.dumps(pings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
