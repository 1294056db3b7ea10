"""Stateful sessions.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/stateful-sessions.html; the form of the header is botocore's
(sagemaker-runtime, NewSessionResponseHeader).
"""

import re

import botocore.session
import pytest

from server import sessions
from server.errors import ServingError
from server.sessions import Sessions


class Clock:
    now = 1_774_267_200.0  # 2026-03-23T12:00:00Z

    def __call__(self) -> float:
        return self.now


def test_the_header_of_a_new_session_is_what_botocore_allows() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker-runtime")
    pattern = model.shape_for("NewSessionResponseHeader").metadata["pattern"]

    said = Sessions(1200, Clock()).open()

    assert re.fullmatch(pattern, said)
    assert said.endswith("; Expires=2026-03-23T12:20:00Z")


def test_a_session_lives_until_it_is_closed_or_too_old() -> None:
    clock = Clock()
    open_here = Sessions(60, clock)
    first, second = (open_here.open().partition(";")[0] for _ in range(2))
    open_here.require(first)
    open_here.close(first)

    with pytest.raises(ServingError, match="not open here"):
        open_here.require(first)
    clock.now += 59
    open_here.require(second)
    clock.now += 1
    with pytest.raises(ServingError, match="older than 60 s") as refused:
        open_here.close(second)
    assert refused.value.code == "unknown_session"


def test_sessions_are_bounded_and_old_ones_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_MOST", 2)
    clock = Clock()
    open_here = Sessions(60, clock)
    open_here.open()
    open_here.open()

    with pytest.raises(ServingError, match="2 sessions are open, limit 2"):
        open_here.open()
    clock.now += 61

    assert open_here.open()
    assert len(open_here) == 1
