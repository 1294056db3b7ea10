"""The engine's end of the channel."""

import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from engine.protocol import Message, decode, encode


class Channel:
    """Lines over a connected stream socket; any thread may send, one reads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, messages: Sequence[Message]) -> None:
        """Blocks while the server does not read: a stopped server stops the engine.

        Raises:
            OSError: the server has hung up.
        """
        with self._sending:
            self._connection.sendall(encode(messages))

    def lines(self) -> Iterator[list[Any]]:
        """Messages of each line until the server hangs up."""
        with self._connection.makefile("rb") as lines:
            for line in lines:
                yield decode(line)
