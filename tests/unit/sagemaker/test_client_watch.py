"""Clients that go away are noticed, and those whose answer came are left alone."""

import socket
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from local.sagemaker.data_plane.client_watch import ClientWatch


@pytest.fixture
def watch() -> Iterator[ClientWatch]:
    watch = ClientWatch()
    yield watch
    watch.stop()


def test_a_client_that_closes_is_noticed_once(watch: ClientWatch) -> None:
    ours, theirs = socket.socketpair()
    left = threading.Semaphore(0)
    with ours:
        watch.add(ours, left.release)
        theirs.close()

        assert left.acquire(timeout=5)
        assert not left.acquire(timeout=0.3)


def test_a_client_that_waits_or_was_answered_is_none_of_our_business(watch: ClientWatch) -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    left: list[int] = []
    seen = threading.Event()
    for number, (ours, _) in enumerate(pairs[:2]):
        watch.add(ours, partial(left.append, number))
    watch.add(pairs[2][0], seen.set)
    watch.remove(pairs[1][0].fileno())

    pairs[1][1].close()
    pairs[2][1].close()

    assert seen.wait(5), "the watch has looked at all of them"
    assert left == []
    for pair in pairs:
        for end in pair:
            end.close()
