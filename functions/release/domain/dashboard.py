"""What a person on call sees of one endpoint in CloudWatch's console.

Lines are found by search, one for each endpoint config, so that blue and green of every rollout appear beside each
other and nothing has to be drawn anew for a release. Sources: CloudWatch API reference, "Dashboard Body Structure and
Syntax"; CloudWatch user guide, "Using search expressions in graphs".
"""

import json
from dataclasses import dataclass

from release.domain.names import Names

_COLUMNS, _HEIGHT = 24, 6
_PER_ROW = 2
_BY_CONFIG = "{AWS/SageMaker,EndpointConfigName,EndpointName,VariantName}"


@dataclass(frozen=True, slots=True)
class _Graph:
    """Args: metrics: pairs of a metric's name and a statistic."""

    title: str
    metrics: tuple[tuple[str, str], ...]


GRAPHS = (
    _Graph("Requests a minute, by release", (("Invocations", "Sum"),)),
    _Graph(
        "Answers with 5xx and 4xx a minute, by release",
        (("Invocation5XXErrors", "Sum"), ("Invocation4XXErrors", "Sum")),
    ),
    _Graph(
        "Time in the container in µs, half and nine tenths of the requests",
        (("ModelLatency", "p50"), ("ModelLatency", "p90")),
    ),
    _Graph("Time that SageMaker adds in µs, nine tenths of the requests", (("OverheadLatency", "p90"),)),
)


def drawing(names: Names, region: str) -> str:
    """The body of the endpoint's dashboard, as JSON that is the same whenever it is asked for."""
    widgets = [_graph(number, graph, names, region) for number, graph in enumerate(GRAPHS)]
    return json.dumps({"widgets": [_words(names), *widgets]}, sort_keys=True)


def _words(names: Names) -> dict[str, object]:
    text = (
        f"# {names.sagemaker_endpoint}\nOne line for each endpoint config; its name ends with the rollout. "
        f"`slipway why --endpoint {names.endpoint}` tells what is going on, "
        f"`slipway releases --endpoint {names.endpoint}` what has been."
    )
    return {"type": "text", "x": 0, "y": 0, "width": _COLUMNS, "height": 2, "properties": {"markdown": text}}


def _graph(number: int, graph: _Graph, names: Names, region: str) -> dict[str, object]:
    row, column = divmod(number, _PER_ROW)
    width = _COLUMNS // _PER_ROW
    searches = [
        [{"expression": _search(names, metric, statistic), "id": f"m{place}"}]
        for place, (metric, statistic) in enumerate(graph.metrics)
    ]
    return {
        "type": "metric",
        "x": column * width,
        "y": 2 + row * _HEIGHT,
        "width": width,
        "height": _HEIGHT,
        "properties": {"title": graph.title, "region": region, "view": "timeSeries", "metrics": searches},
    }


def _search(names: Names, metric: str, statistic: str) -> str:
    where = f'EndpointName="{names.sagemaker_endpoint}" MetricName="{metric}"'
    return f"SEARCH('{_BY_CONFIG} {where}', '{statistic}', 60)"
