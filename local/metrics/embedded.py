"""Metrics in log lines: the CloudWatch embedded metric format (EMF).

Source: "Specification: Embedded metric format" in the CloudWatch User Guide.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

MAX_VALUES, MAX_DIMENSIONS = 100, 30


def metrics_of(line: str, now_s: float) -> list[tuple[str, list[dict[str, Any]]]]:
    """The metrics that a log line carries, as namespaces with their MetricData; nothing of any other line.

    A document that breaks the specification gives nothing, as on AWS, where the log line itself is kept.

    Args:
        now_s: when the line was written, in seconds since the epoch of the machine that wrote it.

    Returns:
        MetricData without Timestamp, but with `AgeSeconds`: how long before now, in seconds of that machine, the
        document says that the values were measured.
    """
    if '"_aws"' not in line or '"CloudWatchMetrics"' not in line:
        return []
    document = _document(line)
    if document is None:
        return []
    try:
        age_s = max(0.0, now_s - float(document["_aws"]["Timestamp"]) / 1000)
        return [
            (directive["Namespace"], [{**datum, "AgeSeconds": age_s} for datum in _data(directive, document)])
            for directive in document["_aws"]["CloudWatchMetrics"]
        ]
    except (KeyError, TypeError, ValueError):
        return []


def _document(line: str) -> dict[str, Any] | None:
    """Lambda may put a line's time and request id before the document."""
    start = line.find("{")
    try:
        document = json.loads(line[start:])
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _data(directive: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for definition in directive["Metrics"]:
        values = _values(document[definition["Name"]])
        for names in directive["Dimensions"] or [[]]:
            yield {
                "MetricName": definition["Name"],
                "Dimensions": [{"Name": name, "Value": _text(document[name])} for name in _few(names)],
                "Values": values,
                "Unit": definition.get("Unit", "None"),
                "StorageResolution": int(definition.get("StorageResolution", 60)),
            }


def _values(target: Any) -> list[float]:
    values = target if isinstance(target, list) else [target]
    if not values or len(values) > MAX_VALUES or any(isinstance(one, bool | str) for one in values):
        raise ValueError(f"a metric has 1 to {MAX_VALUES} numbers, not {values!r}")
    return [float(one) for one in values]


def _few(names: list[str]) -> list[str]:
    if len(names) > MAX_DIMENSIONS:
        raise ValueError(f"{len(names)} dimensions; a metric has at most {MAX_DIMENSIONS}")
    return names


def _text(target: Any) -> str:
    if not isinstance(target, str):
        raise TypeError(f"a dimension's value is a text, not {target!r}")
    return target
