"""Lists in pages: filters, sorting and tokens of ListModels, ListEndpointConfigs and ListEndpoints.

Source of what is said of filters and defaults: each operation's input in SageMaker's API reference.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from local.sagemaker.errors import AwsError, validation

Json = dict[str, Any]
_NOT_IN_TOKEN = frozenset({"MaxResults", "NextToken"})


def page(
    summaries: Iterable[Json], request: Mapping[str, Any], kind: str, *, size: int, ignore_case: bool = False
) -> tuple[list[Json], str | None]:
    """One page and the token of the next; the newest first unless the request says otherwise.

    A token remembers the last item, not a position: what is created or deleted between two pages neither repeats nor
    hides an item that was there all along.

    Args:
        kind: what the members are called after, `Endpoint` for EndpointName.
        size: of a page where the request names none, >= 1.
        ignore_case: of NameContains.

    Raises:
        AwsError: ValidationException, a token that did not come from the same list.
    """
    found = [item for item in summaries if _wanted(item[f"{kind}Name"], item, request, ignore_case=ignore_case)]
    order = _order(kind, request.get("SortBy", "CreationTime"))
    descending = request.get("SortOrder", "Descending") == "Descending"
    found.sort(key=order, reverse=descending)
    if token := request.get("NextToken"):
        last = _read_token(token, request)
        found = [item for item in found if (order(item) < last if descending else order(item) > last)]
    end = request.get("MaxResults", size)
    return found[:end], _write_token(order(found[end - 1]), request) if end < len(found) else None


def _order(kind: str, sort_by: str) -> Callable[[Json], tuple[Any, str]]:
    member = {"Name": f"{kind}Name", "CreationTime": "CreationTime", "Status": "EndpointStatus"}[sort_by]
    # Names are unique, so that no two items are equal and a page ends at exactly one of them.
    return lambda item: (item[member], item[f"{kind}Name"])


def _wanted(name: str, item: Json, request: Mapping[str, Any], *, ignore_case: bool) -> bool:
    def contains(text: str) -> bool:
        return text.lower() in name.lower() if ignore_case else text in name

    checks: dict[str, Callable[[Any], bool]] = {
        "NameContains": contains,
        # "created before", but "a creation time greater than or equal to".
        "CreationTimeBefore": lambda time: item["CreationTime"] < _seconds(time),
        "CreationTimeAfter": lambda time: item["CreationTime"] >= _seconds(time),
        # "modified before" and "modified after".
        "LastModifiedTimeBefore": lambda time: item["LastModifiedTime"] < _seconds(time),
        "LastModifiedTimeAfter": lambda time: item["LastModifiedTime"] > _seconds(time),
        "StatusEquals": lambda status: item["EndpointStatus"] == status,
    }
    return all(check(request[member]) for member, check in checks.items() if request.get(member) is not None)


def _seconds(time: float | str) -> float:
    """Seconds since the epoch of a time as JSON 1.1 writes it, a number; text is read as ISO 8601."""
    if isinstance(time, str):
        try:
            return datetime.fromisoformat(time).timestamp()
        except ValueError as error:
            raise AwsError("SerializationException", f"{time!r} is no timestamp") from error
    return time


def _write_token(last: tuple[Any, str], request: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([_print(request), *last]).encode()).decode()


def _read_token(token: str, request: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        print_of_request, key, name = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, binascii.Error):
        print_of_request, key, name = "", "", ""
    if print_of_request != _print(request):
        raise validation(
            f"NextToken {token!r} was not given out for this list; repeat the request that gave it out, with its "
            "filters and its sorting."
        )
    return key, name


def _print(request: Mapping[str, Any]) -> str:
    """A short print of what a list shows: its filters and its sorting, without the page's place and size."""
    shown = {member: value for member, value in request.items() if member not in _NOT_IN_TOKEN}
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]
