"""One request on its way through an instance."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from local.sagemaker.data_plane.container_call import Call
from local.sagemaker.data_plane.metrics import Invocation, Metrics
from local.sagemaker.endpoint import Endpoint
from local.sagemaker.fleets.fleet import Fleet
from local.sagemaker.fleets.instance import Instance


@dataclass
class Passage:
    """`finish` is called once or more, in every ending."""

    endpoint: Endpoint
    fleet: Fleet
    instance: Instance
    call: Call
    metrics: Metrics
    record: Invocation
    arrived: float
    sent: float = field(default_factory=time.monotonic)
    abandoned: bool = False
    """The client went away before the answer's end: no failure of the model."""
    at_end: Callable[[], None] = lambda: None
    finished: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        self.abandoned = True
        self.call.abandon()

    def finish(self, *, status: int | None = None, broken: bool = False) -> None:
        with self._lock:
            if self.finished:
                return
            self.finished = True
        self.at_end()
        self.call.close()
        self.instance.release()
        ended = time.monotonic()
        record = replace(
            self.record,
            model_us=int((ended - self.sent) * 1e6),
            overhead_us=int((self.sent - self.arrived) * 1e6),
            broken=broken and not self.abandoned,
            abandoned=self.abandoned,
        )
        self.metrics.record(record if status is None else replace(record, status=status))


class StreamBody:
    """A WSGI body whose `close` ends the passage even if nobody ever read from it.

    Args:
        read_on: whether an answer that the client left is read to its end for nobody.
    """

    def __init__(self, passage: Passage, chunks: Iterator[bytes], *, read_on: bool = False) -> None:
        self._passage = passage
        self._chunks = chunks
        self._read_on = read_on

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        if self._passage.finished:
            return
        self._passage.abandoned = True
        if self._read_on:
            threading.Thread(target=self._read_to_the_end, name="abandoned-answer", daemon=True).start()
        else:
            self._passage.finish()

    def _read_to_the_end(self) -> None:
        for _ in self._chunks:
            pass
        self._passage.finish()
