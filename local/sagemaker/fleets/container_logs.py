"""What containers say, carried from their log files to CloudWatch Logs.

Group `/aws/sagemaker/Endpoints/<endpoint>`, stream `<variant>/<instance id>`. Source: "Log groups and streams that
Amazon SageMaker AI sends to Amazon CloudWatch Logs" of SageMaker's guide.
"""

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.world import World

EVERY_REAL_S = 0.5
MAX_LINE_BYTES = 256 * 1024
MAX_BATCH_BYTES = 1_000_000
"""PutLogEvents takes 1,048,576 bytes and 10,000 events, each with 26 bytes beside its message."""
MAX_BATCH_EVENTS = 5_000
_BYTES_BESIDE = 26

logger = logging.getLogger(__name__)


@dataclass
class _Log:
    path: Path
    group: str
    stream: str
    offset: int = 0
    exists: bool = False


class ContainerLogs:
    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._logs: dict[Path, _Log] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._carry_until_stopped, name="container-logs", daemon=True)
        self._thread.start()

    def follow(self, path: Path, endpoint: str, stream: str) -> None:
        """Carry over what is and will be in the file; once is enough, a second time changes nothing."""
        with self._lock:
            self._logs.setdefault(path, _Log(path, f"/aws/sagemaker/Endpoints/{endpoint}", stream))

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _carry_until_stopped(self) -> None:
        while not self._stopping.wait(EVERY_REAL_S):
            self._carry()
        self._carry()

    def _carry(self) -> None:
        with self._lock:
            logs = list(self._logs.values())
        for log in logs:
            try:
                while batch := _next_lines(log):
                    self._put(log, batch)
            except (ClientError, BotoCoreError, OSError) as error:
                # The file keeps the words: a log must never stop an instance.
                logger.warning("the log %s did not reach CloudWatch Logs: %s", log.path.name, error)

    def _put(self, log: _Log, lines: list[str]) -> None:
        logs = self._world.client("logs")
        if not log.exists:
            _create(logs.create_log_group, logGroupName=log.group)
            _create(logs.create_log_stream, logGroupName=log.group, logStreamName=log.stream)
            log.exists = True
        # The wall clock's time, as Lambda's lines have it: CloudWatch Logs refuses what is two hours ahead of it.
        now_ms = int(time.time() * 1000)
        events = [{"timestamp": now_ms, "message": line} for line in lines]
        logs.put_log_events(logGroupName=log.group, logStreamName=log.stream, logEvents=events)


def _create(create: Any, **names: str) -> None:
    try:
        create(**names)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
            raise


def _next_lines(log: _Log) -> list[str]:
    """The next whole lines of the file that are not empty, as many as one call takes; none when all were carried."""
    if log.path.stat().st_size <= log.offset:
        return []
    lines: list[str] = []
    size = 0
    with log.path.open("rb") as file:
        file.seek(log.offset)
        while len(lines) < MAX_BATCH_EVENTS and size < MAX_BATCH_BYTES - MAX_LINE_BYTES:
            line = file.readline(MAX_LINE_BYTES)
            if not line or (not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES):
                break  # the rest of this line is still to come
            log.offset += len(line)
            size += len(line) + _BYTES_BESIDE
            if text := line.decode(errors="replace").strip():
                lines.append(text)
    return lines
