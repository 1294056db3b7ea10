"""What operators and their tools read."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.contract_kit.conftest import Target

# https://docs.vllm.ai/en/latest/usage/metrics.html; without the suffixes that the parser takes off.
VLLM = {
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:prompt_tokens",
    "vllm:generation_tokens",
    "vllm:request_success",
    "vllm:time_to_first_token_seconds",
    "vllm:inter_token_latency_seconds",
    "vllm:e2e_request_latency_seconds",
    "vllm:prefix_cache_queries",
    "vllm:prefix_cache_hits",
}
# OpenTelemetry's GenAI conventions, server side, in Prometheus' spelling.
OTEL = {
    "gen_ai_server_request_duration_seconds",
    "gen_ai_server_time_to_first_token_seconds",
    "gen_ai_server_time_per_output_token_seconds",
}


def families(target: Target) -> dict[str, float]:
    """Sum of each metric's samples."""
    target.text()
    found = text_string_to_metric_families(target.http.get("/metrics").text)
    return {family.name: sum(sample.value for sample in family.samples) for family in found}


@pytest.mark.parametrize("names", [pytest.param(VLLM, id="vllm"), pytest.param(OTEL, id="opentelemetry")])
def test_metrics_have_the_names_that_dashboards_know(target: Target, names: set[str]) -> None:
    assert names <= families(target).keys()


def test_metrics_count_an_answer(target: Target) -> None:
    before = families(target)["vllm:request_success"]

    assert families(target)["vllm:request_success"] > before


def test_tokens_of_a_text_are_counted_and_read_back(target: Target) -> None:
    counted = target.http.post("/tokenize", json={"model": target.model, "prompt": "The capital of France"}).json()
    read = target.http.post("/detokenize", json={"model": target.model, "tokens": counted["tokens"]}).json()

    assert counted["count"] == len(counted["tokens"])
    assert counted["max_model_len"] > counted["count"]
    assert read["prompt"] == "The capital of France"


def test_tokens_of_messages_are_those_of_the_prompt(target: Target) -> None:
    body = target.chat()
    counted = target.http.post("/tokenize", json={"model": target.model, "messages": body["messages"]}).json()

    assert counted["count"] == target.ask().json()["usage"]["prompt_tokens"]


def test_the_openapi_document_names_the_routes(target: Target) -> None:
    document = target.http.get("/openapi.json").json()

    assert document["openapi"].startswith("3.")
    assert {"/v1/chat/completions", "/v1/models"} <= document["paths"].keys()
