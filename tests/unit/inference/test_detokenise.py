"""Text leaves the engine in whole characters and never with part of a stop string."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from engine.detokenise import Detokeniser, StopFilter


def bytes_decode(ids: Sequence[int]) -> str:
    """A tokenizer whose tokens are bytes: the worst case, every character longer than one byte is split."""
    return bytes(ids).decode("utf-8", errors="replace")


def word_decode(ids: Sequence[int]) -> str:
    """A tokenizer in the manner of sentencepiece: the first word of a text has no space before it."""
    return " ".join(f"w{token}" for token in ids)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd"), max_size=40))
def test_pieces_are_whole_characters_and_add_up_to_the_text(text: str) -> None:
    detokeniser = Detokeniser(bytes_decode)

    pieces = [detokeniser.add(byte) for byte in text.encode()]

    assert not any("\ufffd" in piece for piece in pieces)
    assert "".join(pieces) == text
    assert detokeniser.finish() == ""


def test_an_answer_cut_inside_a_character_drops_that_character_only() -> None:
    detokeniser = Detokeniser(bytes_decode)
    thumbs_up = "👍".encode()

    said = "".join(detokeniser.add(byte) for byte in b"ok " + thumbs_up[:3]) + detokeniser.finish()

    assert said == "ok "


def test_bytes_that_never_become_a_character_do_not_hold_the_rest_back() -> None:
    detokeniser = Detokeniser(bytes_decode)

    said = "".join(detokeniser.add(byte) for byte in b"\xff\xff\xff\xff\xff and on")

    assert said.endswith(" and on")


def test_a_token_keeps_the_space_that_its_place_in_the_text_gives_it() -> None:
    detokeniser = Detokeniser(word_decode)

    assert [detokeniser.add(token) for token in (1, 2, 3)] == ["w1", " w2", " w3"]


def cut_by_hand(text: str, stops: list[str]) -> tuple[str, bool]:
    """Read character by character; the first stop string that is complete ends the text before it."""
    for end in range(1, len(text) + 1):
        lengths = [len(stop) for stop in stops if text[:end].endswith(stop)]
        if lengths:
            return text[: end - max(lengths)], True
    return text, False


@given(
    st.lists(st.text(alphabet="ab", max_size=4), max_size=12),
    st.lists(st.text(alphabet="ab", min_size=1, max_size=4), min_size=1, max_size=4),
)
def test_the_text_ends_before_the_first_stop_string_however_it_arrives(chunks: list[str], stops: list[str]) -> None:
    wanted, stopped = cut_by_hand("".join(chunks), stops)
    stop_filter = StopFilter(stops)

    pieces = [stop_filter.add(chunk) for chunk in chunks]
    said = "".join(pieces)

    assert wanted.startswith(said), "something was shown that had to be held back"
    assert said + stop_filter.finish() == wanted
    assert stop_filter.stopped is stopped


def test_text_is_held_back_only_while_it_could_become_a_stop_string() -> None:
    stop_filter = StopFilter(["\n\nUser:"])

    assert stop_filter.add("Hello\n") == "Hello"
    assert stop_filter.add("world") == "\nworld"
