"""What SageMaker scrapes from /metrics: vLLM's names, which dashboards and autoscalers know, and OpenTelemetry's.

Sources: https://docs.vllm.ai/en/latest/usage/metrics.html and the GenAI server metrics of OpenTelemetry's semantic
conventions, in Prometheus' spelling (dots become underscores, the unit is a suffix).
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from engine.protocol import Finished, Progress

_LATENCY_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0)
# OpenTelemetry's advice for gen_ai.server.time_per_output_token, .time_to_first_token and .request.duration.
_OTEL_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_OTEL_FIRST_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_OTEL_REQUEST_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_STEP_TOKENS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


class Metrics:
    """One registry for each server, so that several can live in one process."""

    def __init__(self, model_name: str, kv_tokens: int = 0) -> None:
        self.kv_tokens = kv_tokens
        self._registry = CollectorRegistry()
        self._model = {"model_name": model_name}
        self._gauges(model_name)
        self._counters()
        self._histograms()

    def _gauges(self, model_name: str) -> None:
        def gauge(name: str, said: str) -> Gauge:
            return Gauge(name, said, ["model_name"], registry=self._registry).labels(model_name)

        self._running = gauge("vllm:num_requests_running", "Requests in a slot")
        self._waiting = gauge("vllm:num_requests_waiting", "Requests that wait for a slot")
        self._kv = gauge("vllm:kv_cache_usage_perc", "Share of the room for keys and values that is reserved, 0 to 1")
        self._inside = Gauge("slipway_requests_inside", "Choices that run or wait", registry=self._registry)
        self._ready = Gauge("slipway_engine_ready", "1 if /ping would be 200", registry=self._registry)
        self._sessions = Gauge("slipway_sessions_open", "Stateful sessions that are open", registry=self._registry)

    def _counters(self) -> None:
        def counter(name: str, said: str, *labels: str) -> Counter:
            return Counter(name, said, ["model_name", *labels], registry=self._registry)

        self._prompt = counter("vllm:prompt_tokens", "Prompt tokens computed")
        self._generated = counter("vllm:generation_tokens", "Tokens drawn")
        self._asked_cache = counter("vllm:prefix_cache_queries", "Prompt tokens looked up in the prefix cache")
        self._hits = counter("vllm:prefix_cache_hits", "Prompt tokens found in the prefix cache")
        self._success = counter("vllm:request_success", "Requests answered", "finished_reason")
        self._refused = counter("vllm:admission_rejections", "Requests refused before they were queued", "reason")
        self._ended = counter("slipway_requests_failed", "Requests that ended with an error", "code")

    def _histograms(self) -> None:
        def histogram(name: str, said: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            names = ["model_name"] if name.startswith("vllm") else ["gen_ai_operation_name", "gen_ai_request_model"]
            return Histogram(name, said, [*names, *labels], registry=self._registry, buckets=buckets)

        self._first = histogram("vllm:time_to_first_token_seconds", "Arrival to first text", _LATENCY_S)
        self._between = histogram("vllm:inter_token_latency_seconds", "Between two pieces of text", _LATENCY_S)
        self._each = histogram("vllm:request_time_per_output_token_seconds", "After the first token", _LATENCY_S)
        self._whole = histogram("vllm:e2e_request_latency_seconds", "Arrival to last byte", _LATENCY_S)
        self._step = histogram("vllm:iteration_tokens_total", "Tokens of a step", _STEP_TOKENS)
        self._otel_first = histogram(
            "gen_ai_server_time_to_first_token_seconds", "Arrival to first text", _OTEL_FIRST_S
        )
        self._otel_each = histogram(
            "gen_ai_server_time_per_output_token_seconds", "After the first token", _OTEL_TOKEN_S
        )
        self._otel_whole = histogram(
            "gen_ai_server_request_duration_seconds", "Arrival to last byte", _OTEL_REQUEST_S, "error_type"
        )

    def step(self, step: Progress) -> None:
        self._running.set(step.running)
        self._waiting.set(step.waiting)
        self._kv.set(step.kv_tokens / self.kv_tokens if self.kv_tokens else 0.0)
        self._prompt.labels(**self._model).inc(step.read_tokens)
        self._generated.labels(**self._model).inc(step.drawn_tokens)
        self._step.labels(**self._model).observe(step.read_tokens + step.drawn_tokens)

    def first_token(self, operation: str, seconds: float) -> None:
        self._first.labels(**self._model).observe(seconds)
        self._otel_first.labels(operation, self._model["model_name"]).observe(seconds)

    def next_piece(self, seconds: float) -> None:
        self._between.labels(**self._model).observe(seconds)

    def finished(self, operation: str, end: Finished, after_first_s: float) -> None:
        self._success.labels(**self._model, finished_reason=end.reason).inc()
        self._asked_cache.labels(**self._model).inc(end.prompt_tokens)
        self._hits.labels(**self._model).inc(end.cached_tokens)
        if end.generated_tokens > 1:
            each_s = after_first_s / (end.generated_tokens - 1)
            self._each.labels(**self._model).observe(each_s)
            self._otel_each.labels(operation, self._model["model_name"]).observe(each_s)

    def refused(self, code: str) -> None:
        self._refused.labels(**self._model, reason=code).inc()

    def ended(self, operation: str, seconds: float, code: str = "") -> None:
        """Args: code: of the error; empty after a complete answer."""
        if code:
            self._ended.labels(**self._model, code=code).inc()
        else:
            self._whole.labels(**self._model).observe(seconds)
        self._otel_whole.labels(operation, self._model["model_name"], code).observe(seconds)

    def text(self, *, inside: int, ready: bool, sessions: int) -> bytes:
        """Prometheus' text format."""
        self._inside.set(inside)
        self._ready.set(int(ready))
        self._sessions.set(sessions)
        return generate_latest(self._registry)
