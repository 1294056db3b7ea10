"""The stand-in misbehaves exactly as it is told."""

import json
import time
from pathlib import Path

import httpx
import pytest

from tests.contract.inference.schemas import check
from tests.integration.inference.servers import events, running

CHAT = {"messages": [{"role": "user", "content": "one two three"}]}


def test_it_echoes_within_a_second_of_its_start(tmp_path: Path) -> None:
    with running("stand_in.py", tmp_path, tmp_path / "log") as server:
        started = time.monotonic()
        server.await_ready()
        answer = server.ask(CHAT)

    assert time.monotonic() - started < 1.0
    assert answer.json()["choices"][0]["message"]["content"] == "one two three"


def test_it_says_what_it_is_told_and_honours_stop_strings(tmp_path: Path) -> None:
    with running("stand_in.py", tmp_path, tmp_path / "log", STAND_IN_TEXT="Paris is the capital") as server:
        server.await_ready()
        whole, cut = server.ask(CHAT), server.ask({**CHAT, "stop": " the"})

    assert whole.json()["choices"][0]["message"]["content"] == "Paris is the capital"
    assert cut.json()["choices"][0]["message"]["content"] == "Paris is"
    assert cut.json()["choices"][0]["finish_reason"] == "stop"


def test_a_slow_start_is_a_503_until_it_is_over(tmp_path: Path) -> None:
    with running("stand_in.py", tmp_path, tmp_path / "log", STAND_IN_START_S="1.0") as server:
        first = server.ping()
        server.await_ready()

    assert first.status_code == 503


def test_a_failing_ping_is_a_500_with_a_reason(tmp_path: Path) -> None:
    with running("stand_in.py", tmp_path, tmp_path / "log", STAND_IN_PING="fail") as server:
        ends = time.monotonic() + 10
        while (ping := server.ping()).status_code == 503 and time.monotonic() < ends:
            time.sleep(0.02)

    assert ping.status_code == 500
    assert "told to fail" in ping.json()["error"]["message"]


def test_an_artifact_can_carry_the_fault_with_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"stand_in": {"answer": "fail"}}))
    with running("stand_in.py", tmp_path, tmp_path / "log") as server:
        server.await_ready()
        answer = server.ask(CHAT)

    check("error", answer.json())
    assert answer.status_code == 500


def test_garbage_is_a_200_that_is_no_json(tmp_path: Path) -> None:
    with running("stand_in.py", tmp_path, tmp_path / "log", STAND_IN_ANSWER="garbage") as server:
        server.await_ready()
        answer = server.ask(CHAT)

    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"codec|Expecting"):
        answer.json()


def test_a_broken_stream_ends_in_an_error_event_and_a_torn_connection(tmp_path: Path) -> None:
    with running("stand_in.py", tmp_path, tmp_path / "log", STAND_IN_ANSWER="break") as server:
        server.await_ready()
        last = None
        with (
            server.client.stream("POST", "/invocations", json={**CHAT, "stream": True}) as stream,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            for last in events(stream.iter_lines()):  # noqa: B007 - the last one is looked at below
                pass

    check("error", last)


def test_a_hanging_answer_does_not_come_and_ping_stays_well(tmp_path: Path) -> None:
    with running("stand_in.py", tmp_path, tmp_path / "log", STAND_IN_ANSWER="hang") as server:
        server.await_ready()
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/invocations", json=CHAT, timeout=0.5)
        ping = server.ping()
        server.await_idle()

    assert ping.status_code == 200


def test_a_behaviour_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="answer is 'odd'"),
        running("stand_in.py", tmp_path, tmp_path / "log", STAND_IN_ANSWER="odd"),
    ):
        pass
