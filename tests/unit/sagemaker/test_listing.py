"""Lists in pages, held to properties: every item once, in order, whatever comes and goes meanwhile."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sagemaker.control.listing import page
from local.sagemaker.errors import AwsError

Item = dict[str, Any]
STATUSES = ("InService", "Updating", "Failed")
# Few values of everything, so that names share parts and times and statuses are often equal.
NAMES = st.text("ab-C", min_size=1, max_size=4).filter(lambda name: name.strip("-") == name)
TIMES = st.integers(0, 5).map(float)
ITEMS = st.builds(
    lambda name, created, modified, status: {
        "EndpointName": name,
        "CreationTime": created,
        "LastModifiedTime": modified,
        "EndpointStatus": status,
    },
    NAMES,
    TIMES,
    TIMES,
    st.sampled_from(STATUSES),
)
SHELVES = st.lists(ITEMS, max_size=12, unique_by=lambda item: item["EndpointName"])
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "SortBy": st.sampled_from(["Name", "CreationTime", "Status"]),
        "SortOrder": st.sampled_from(["Ascending", "Descending"]),
        "NameContains": st.sampled_from(["a", "b", "-", "C"]),
        "StatusEquals": st.sampled_from(STATUSES),
        "CreationTimeAfter": TIMES,
        "CreationTimeBefore": TIMES,
        "LastModifiedTimeAfter": TIMES,
        "LastModifiedTimeBefore": TIMES,
    },
)
SIZES = st.integers(1, 5)


def pages(items: list[Item], request: Item, size: int) -> list[list[Item]]:
    found, token = page(items, {**request, "MaxResults": size}, "Endpoint", size=10)
    read = [found]
    while token:
        found, token = page(items, {**request, "MaxResults": size, "NextToken": token}, "Endpoint", size=10)
        read.append(found)
    return read


@given(SHELVES, REQUESTS, SIZES)
def test_the_pages_together_are_the_list(items: list[Item], request: Item, size: int) -> None:
    whole, rest = page(items, {**request, "MaxResults": 100}, "Endpoint", size=10)

    read = pages(items, request, size)

    assert rest is None
    assert [item for one in read for item in one] == whole
    assert [len(one) for one in read[:-1]] == [size] * (len(read) - 1)


@given(SHELVES, REQUESTS)
def test_a_list_holds_what_fits_every_filter_and_nothing_else(items: list[Item], request: Item) -> None:
    listed, _ = page(items, {**request, "MaxResults": 100}, "Endpoint", size=10)

    # Source: ListEndpoints' input: "created before", "greater than or equal to", "modified before", "modified after".
    expected = [
        item
        for item in items
        if request.get("NameContains", "") in item["EndpointName"]
        and request.get("StatusEquals", item["EndpointStatus"]) == item["EndpointStatus"]
        and item["CreationTime"] >= request.get("CreationTimeAfter", 0)
        and item["CreationTime"] < request.get("CreationTimeBefore", 9)
        and item["LastModifiedTime"] > request.get("LastModifiedTimeAfter", -1)
        and item["LastModifiedTime"] < request.get("LastModifiedTimeBefore", 9)
    ]
    assert sorted(item["EndpointName"] for item in listed) == sorted(item["EndpointName"] for item in expected)


@given(SHELVES, REQUESTS)
def test_a_list_is_sorted_as_it_says_newest_first_by_default(items: list[Item], request: Item) -> None:
    listed, _ = page(items, {**request, "MaxResults": 100}, "Endpoint", size=10)

    # Source: SortBy "The default is CreationTime", SortOrder "The default is Descending".
    member = {"Name": "EndpointName", "Status": "EndpointStatus"}.get(request.get("SortBy", ""), "CreationTime")
    keys = [item[member] for item in listed]
    assert keys == sorted(keys, reverse=request.get("SortOrder", "Descending") == "Descending")


@given(SHELVES, SHELVES, REQUESTS, SIZES, st.data())
def test_what_was_there_all_along_is_listed_once_whatever_comes_and_goes(
    before: list[Item], others: list[Item], request: Item, size: int, data: st.DataObject
) -> None:
    names = {item["EndpointName"] for item in before}
    new = [item for item in others if item["EndpointName"] not in names]
    stays = data.draw(st.sets(st.sampled_from(sorted(names))) if names else st.just(set()))
    after = [item for item in before if item["EndpointName"] in stays] + new

    read, token = page(before, {**request, "MaxResults": size}, "Endpoint", size=10)
    while token:
        more, token = page(after, {**request, "MaxResults": size, "NextToken": token}, "Endpoint", size=10)
        read += more

    listed = [item["EndpointName"] for item in read]
    whole, _ = page(before, {**request, "MaxResults": 100}, "Endpoint", size=10)
    assert [listed.count(item["EndpointName"]) for item in whole if item["EndpointName"] in stays] == [1] * len(
        [item for item in whole if item["EndpointName"] in stays]
    )
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("token", ["x", "bm8=", "WzEsMiwzXQ==", "e30="])
def test_a_token_from_elsewhere_is_refused(token: str) -> None:
    with pytest.raises(AwsError, match="was not given out for this list") as caught:
        page([], {"NextToken": token}, "Endpoint", size=10)

    assert caught.value.code == "ValidationException"


def test_a_token_belongs_to_its_filters_and_its_sorting() -> None:
    items = [{"EndpointName": name, "CreationTime": 1.0} for name in "abc"]
    _, token = page(items, {"MaxResults": 1}, "Endpoint", size=10)

    with pytest.raises(AwsError, match="repeat the request that gave it out"):
        page(items, {"MaxResults": 1, "NextToken": token, "SortBy": "Name"}, "Endpoint", size=10)


def test_a_page_has_the_lists_own_size_unless_the_request_names_one() -> None:
    items = [{"ModelName": str(number), "CreationTime": 1.0} for number in range(12)]

    assert len(page(items, {}, "Model", size=10)[0]) == 10


@pytest.mark.parametrize(("ignore_case", "found"), [(True, ["Chat", "chat"]), (False, ["chat"])])
def test_names_are_searched_with_or_without_regard_to_case(ignore_case: bool, found: list[str]) -> None:  # noqa: FBT001 - a switch
    items = [{"ModelName": name, "CreationTime": 1.0} for name in ("Chat", "chat", "talk")]
    request = {"NameContains": "ch", "SortBy": "Name", "SortOrder": "Ascending"}

    listed, _ = page(items, request, "Model", size=10, ignore_case=ignore_case)

    assert [item["ModelName"] for item in listed] == found


def test_a_time_may_be_text_and_nonsense_is_no_time() -> None:
    items = [{"ModelName": "m", "CreationTime": datetime(2026, 1, 2, tzinfo=UTC).timestamp()}]

    assert page(items, {"CreationTimeAfter": "2026-01-02T00:00:00Z"}, "Model", size=10)[0] == items
    assert page(items, {"CreationTimeBefore": "2026-01-02T00:00:00Z"}, "Model", size=10)[0] == []
    with pytest.raises(AwsError, match="no timestamp") as caught:
        page(items, {"CreationTimeAfter": "yesterday"}, "Model", size=10)
    assert caught.value.code == "SerializationException"
