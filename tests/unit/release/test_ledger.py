"""The ledger: nobody changes, removes or inserts a line unseen."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.domain.ledger import GENESIS, Head, Problem, sealed, sort_key, verify_chain

Lines = list[dict[str, Any]]
LINE = st.fixed_dictionaries({"at": st.text(max_size=5), "reason": st.text(max_size=8), "actor": st.text(max_size=4)})


def chain(plain: Lines) -> tuple[Lines, Head]:
    lines, head = [], Head()
    for line in plain:
        whole = sealed({"endpoint": "chat", "event": "phaseEntered", **line}, head)
        lines.append(whole)
        head = Head(whole["seq"], whole["hash"])
    return lines, head


CHAINS = st.lists(LINE, min_size=1, max_size=6).map(chain)


def test_a_line_s_hash_is_sha256_over_its_sorted_json_without_spaces() -> None:
    """Computed here by hand, from the words of the contract."""
    line = {"endpoint": "chat", "reason": "grün", "seq": 1, "prevHash": "0" * 64}
    text = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert sealed({"reason": "grün", "endpoint": "chat"}, Head())["hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert GENESIS == "0" * 64


def test_keys_of_lines_sort_as_numbers_do() -> None:
    keys = [sort_key(seq) for seq in (1, 9, 10, 99, 100, 999_999_999_999)]

    assert keys == sorted(keys)
    assert keys[0] == "ledger#000000000001"


@given(CHAINS)
def test_an_untouched_ledger_is_whole(made: tuple[Lines, Head]) -> None:
    lines, head = made

    assert verify_chain(lines, head) is None
    assert verify_chain([{**line, "pk": "endpoint#chat", "sk": "x"} for line in lines], head) is None


@given(CHAINS, st.data())
def test_a_changed_field_is_found_at_its_line(made: tuple[Lines, Head], data: st.DataObject) -> None:
    lines, head = made
    at = data.draw(st.integers(0, len(lines) - 1))
    name = data.draw(st.sampled_from(["at", "reason", "actor", "endpoint", "event"]))
    forged = [*lines[:at], {**lines[at], name: lines[at][name] + "!"}, *lines[at + 1 :]]

    found = verify_chain(forged, head)

    assert isinstance(found, Problem)
    assert found.seq == at + 1


@given(CHAINS, st.data())
def test_a_line_that_was_forged_with_its_hash_is_found_at_the_next(
    made: tuple[Lines, Head], data: st.DataObject
) -> None:
    lines, head = made
    at = data.draw(st.integers(0, len(lines) - 1))
    before = Head(at, lines[at]["prevHash"])
    forged = sealed(
        {"endpoint": "chat", "event": "phaseEntered", "at": "", "reason": "forged!!!!", "actor": ""}, before
    )

    found = verify_chain([*lines[:at], forged, *lines[at + 1 :]], head)

    assert found is not None
    assert found.seq == at + 2


@given(CHAINS, st.data())
def test_a_line_that_was_taken_out_or_written_twice_is_found(made: tuple[Lines, Head], data: st.DataObject) -> None:
    lines, head = made
    at = data.draw(st.integers(0, len(lines) - 1))

    removed = verify_chain([*lines[:at], *lines[at + 1 :]], head)
    doubled = verify_chain([*lines[: at + 1], *lines[at:]], head)

    assert removed is not None
    assert removed.seq == at + 1
    assert doubled is not None
    assert doubled.seq == at + 2


@pytest.mark.parametrize("head", [Head(), Head(3, "f" * 64)])
def test_a_ledger_cut_off_at_its_end_does_not_lead_to_its_head(head: Head) -> None:
    lines, _ = chain([{"reason": "one"}, {"reason": "two"}])

    found = verify_chain(lines, head)

    assert found == Problem(3, f"the ledger ends at line 2, the endpoint's record says at line {head.seq}")


def test_no_lines_and_no_head_are_a_whole_ledger() -> None:
    assert verify_chain([], Head()) is None
