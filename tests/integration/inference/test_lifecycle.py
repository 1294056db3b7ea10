"""Start, failure and end of the server process."""

import contextlib
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.inference.schemas import check
from tests.integration.inference.servers import Server, events, running
from tests.integration.inference.tiny_model import save_tiny_model

CHAT = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}


def stream_of(tokens: int) -> dict[str, object]:
    return {"inputs": "hello", "stream": True, "parameters": {"max_new_tokens": tokens}}


@pytest.fixture(scope="module")
def broken_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken") / "model"
    shutil.copytree(tiny_model, folder)
    (folder / "pytorch_model.bin").touch()
    return folder


def test_the_port_is_open_while_the_model_loads_and_ping_says_so(tiny_model: Path, tmp_path: Path) -> None:
    with running("serve", tiny_model, tmp_path / "log") as server:
        ping, answer = server.ping(), server.ask(CHAT)
        server.await_ready()
        after = server.ask(CHAT)
        code = server.terminate()

    assert (ping.status_code, answer.status_code) == (503, 503)
    check("error", answer.json())
    assert answer.json()["error"]["code"] == "loading"
    assert after.status_code == 200
    assert code == 0


def test_a_model_that_must_not_be_loaded_makes_ping_500_with_the_reason(broken_model: Path, tmp_path: Path) -> None:
    with running("serve", broken_model, tmp_path / "log") as server:
        ends = time.monotonic() + 60
        while (ping := server.ping()).status_code == 503 and time.monotonic() < ends:
            time.sleep(0.1)
        answer = server.ask(CHAT)

    assert ping.status_code == 500
    assert "pytorch_model.bin is a pickle" in ping.json()["error"]["message"]
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "engine_failed")


def test_sigterm_lets_running_answers_end_refuses_new_ones_and_exits_0(tiny_model: Path, tmp_path: Path) -> None:
    with running("serve", tiny_model, tmp_path / "log") as server:
        server.await_ready()
        with server.client.stream("POST", "/invocations", json=stream_of(1500)) as stream:
            lines = events(stream.iter_lines())
            next(lines)
            # The group as a whole, as a terminal and the local AWS signal it.
            for pid in (server.process.pid, *server.children()):
                os.kill(pid, signal.SIGTERM)
            time.sleep(0.2)
            ping, refused = httpx.get(f"{server.url}/ping"), httpx.post(f"{server.url}/invocations", json=CHAT)
            last = list(lines)[-1]
            ended_at = time.monotonic()
        code = server.process.wait(20)
        lingered_s = time.monotonic() - ended_at

    assert ping.status_code == 503
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
    assert last["details"] == {"finish_reason": "length", "prompt_tokens": 5, "generated_tokens": 1500}
    assert code == 0
    assert lingered_s < 5


@pytest.mark.prove
def test_what_a_drain_cannot_wait_for_ends_in_30_s_and_may_be_asked_again(tiny_model: Path, tmp_path: Path) -> None:
    answers: list[httpx.Response] = []
    body = {"inputs": "hello", "parameters": {"max_new_tokens": 8000}}
    with running("serve", tiny_model, tmp_path / "log", SLIPWAY_MAX_CONCURRENCY="1") as server:
        server.await_ready()
        url = f"{server.url}/invocations"
        # One at a time, so that the last ones could not be done in a minute.
        waiters = [
            threading.Thread(target=lambda: answers.append(httpx.post(url, json=body, timeout=60))) for _ in range(10)
        ]
        for waiter in waiters:
            waiter.start()
        time.sleep(1)
        started = time.monotonic()

        code = server.terminate()

        spent_s = time.monotonic() - started
        for waiter in waiters:
            waiter.join(10)
    # A slow machine's forecast refuses some at the door, before the drain: 429.
    cut = [answer for answer in answers if answer.status_code not in (200, 429)]
    assert len(answers) == 10
    assert cut
    for answer in cut:
        check("error", answer.json())
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.json()["error"]["code"] == "drained"
    assert code == 0
    assert spent_s < 30, "SageMaker kills 30 s after SIGTERM"


def test_the_death_of_the_engine_ends_every_answer_in_words_and_makes_ping_503(
    tiny_model: Path, tmp_path: Path
) -> None:
    with running("serve", tiny_model, tmp_path / "log") as server:
        server.await_ready()
        with server.client.stream("POST", "/invocations", json=stream_of(8000)) as stream:
            lines = events(stream.iter_lines())
            next(lines)
            unary: list[httpx.Response] = []
            body = {"inputs": "hello", "parameters": {"max_new_tokens": 8000}}
            waiter = threading.Thread(target=lambda: unary.append(httpx.post(f"{server.url}/invocations", json=body)))
            waiter.start()
            time.sleep(0.3)
            (engine,) = server.children()
            os.kill(engine, signal.SIGKILL)
            last: Any = None
            with pytest.raises(httpx.RemoteProtocolError):  # a clean end would pass for a complete answer
                for last in lines:  # noqa: B007 - the last one is looked at below
                    pass
        waiter.join(20)
        ping = server.ping()
        code = server.terminate()

    check("error", last)
    check("error", unary[0].json())
    assert last["error"]["code"] == unary[0].json()["error"]["code"] == "engine_failed"
    assert (unary[0].status_code, ping.status_code) == (500, 503)
    assert "exit code -9" in ping.json()["error"]["message"]
    assert code == 0


def test_the_engine_ends_with_a_server_that_is_killed(tiny_model: Path, tmp_path: Path) -> None:
    with running("serve", tiny_model, tmp_path / "log") as server:
        server.await_ready()
        (engine,) = server.children()
        server.process.kill()
        server.process.wait()
        ends = time.monotonic() + 10
        while _alive(engine) and time.monotonic() < ends:
            time.sleep(0.05)

        assert not _alive(engine)


def _alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_model_without_a_chat_template_answers_text_and_refuses_chat(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model", chat=False)
    with running("serve", folder, tmp_path / "log") as server:
        server.await_ready()
        text = server.ask({"inputs": "hello", "parameters": {"max_new_tokens": 3}})
        chat = server.ask(CHAT)

    assert text.status_code == 200
    check("error", chat.json())
    assert (chat.status_code, chat.json()["error"]["code"]) == (400, "no_chat_template")


def test_a_wrong_environment_ends_the_start_with_one_sentence(tiny_model: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(AssertionError, match="SLIPWAY_MAX_QUEUE is 'x'"), _refused(tiny_model, log):
        pass

    assert len(log.read_text().splitlines()) == 1


def _refused(model: Path, log: Path) -> contextlib.AbstractContextManager[Server]:
    return running("serve", model, log, SLIPWAY_MAX_QUEUE="x")
