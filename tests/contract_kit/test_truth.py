"""What a caller may believe: that the answer is this request's own, whole, and by whom it says."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.contract_kit.conftest import Target


def test_a_stream_says_what_a_unary_answer_says(target: Target) -> None:
    chunks = [event for event in target.events(max_tokens=12) if event != "[DONE]"]
    streamed = "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"] if "delta" in choice
    )

    assert streamed == target.text(max_tokens=12)


def test_a_greedy_answer_does_not_depend_on_its_neighbours_settings(target: Target) -> None:
    alone = target.text(max_tokens=16)
    with ThreadPoolExecutor(6) as callers:
        hot = [callers.submit(target.text, temperature=2.0, top_p=1.0, max_tokens=16) for _ in range(5)]
        beside = callers.submit(target.text, max_tokens=16)
        [one.result() for one in hot]

    assert beside.result() == alone


def test_a_greedy_answer_is_the_same_alone_and_in_a_batch_of_eight(target: Target) -> None:
    alone = target.text(max_tokens=16)
    with ThreadPoolExecutor(8) as callers:
        together = [callers.submit(target.text, max_tokens=16) for _ in range(8)]

    assert {one.result() for one in together} == {alone}


def test_every_answer_names_what_gave_it(target: Target) -> None:
    unary = target.ask().json()["system_fingerprint"]
    streamed = {event["system_fingerprint"] for event in target.events() if event != "[DONE]"}

    assert unary
    assert streamed == {unary}


def test_the_fingerprint_names_the_bytes_of_the_weights(target: Target) -> None:
    listed = target.http.get("/v1/models").json()["data"][0]

    assert len(listed["provenance"]["artifact"]) == 64


def test_a_misspelt_field_is_not_ignored(target: Target) -> None:
    answer = target.ask(tempratur=0.7)

    assert answer.status_code in (400, 422)
    assert "tempratur" in answer.text


def test_the_callers_deadline_is_kept(target: Target) -> None:
    headers = {"X-Amzn-SageMaker-Custom-Attributes": "deadline=0.3"}
    started = time.monotonic()
    body = target.chat(max_tokens=2000, ignore_eos=True)
    answer = target.http.post("/invocations", json=body, headers=headers)

    assert answer.status_code in (429, 504), answer.text[:200]
    assert time.monotonic() - started < 3


def test_a_disconnect_frees_what_the_request_held(target: Target) -> None:
    drawn_before = metric(target, "vllm:generation_tokens_total")
    body = target.chat(max_tokens=1500, stream=True, ignore_eos=True)
    with target.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        next(answer.iter_lines())
    ends = time.monotonic() + 60
    while metric(target, "vllm:num_requests_running") and time.monotonic() < ends:
        time.sleep(0.05)

    assert metric(target, "vllm:num_requests_running") == 0
    # It was given up, and did not merely come to its end meanwhile.
    assert metric(target, "vllm:generation_tokens_total") - drawn_before < 1500


def metric(target: Target, name: str) -> float:
    lines = target.http.get("/metrics").text.splitlines()
    (found,) = (line for line in lines if line.startswith(f"{name}{{"))
    return float(found.rpartition(" ")[2])


def test_ping_keeps_its_two_seconds_beside_eight_streams(target: Target) -> None:
    body = target.chat(max_tokens=200, stream=True)
    asked = threading.Barrier(9)

    def stream() -> int:
        asked.wait()
        with httpx.stream("POST", f"{target.url}/v1/chat/completions", json=body, timeout=60) as answer:
            return len(list(answer.iter_lines()))

    with ThreadPoolExecutor(8) as callers:
        streams = [callers.submit(stream) for _ in range(8)]
        asked.wait()
        pings = [target.http.get("/ping", timeout=10) for _ in range(20)]

    assert {ping.status_code for ping in pings} == {200}
    assert max(ping.elapsed.total_seconds() for ping in pings) < 2
    assert all(one.result() for one in streams)
