"""What golden prompts and built-in checks find, without a word of an answer."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.adapters.schemas import JsonSchemas
from release.domain.golden import MAX_BYTES, Expectation, failures, similarity
from release.domain.probes import BUILT_IN, MIN_CERTAINTY, ChatAnswer, Prompt, degeneration, problems
from release.flows.golden import read_golden

SCHEMAS = JsonSchemas()
RELEASE, ROLLOUT = "a" * 12, f"{'a' * 12}-1"
SOUND = ChatAnswer(RELEASE, ROLLOUT, text="The capital of France is Paris.", finish_reason="stop", latency_s=1.0)


def unmet(expect: Expectation, text: str, latency_s: float = 1.0) -> list[str]:
    return list(failures(expect, text, latency_s, SCHEMAS.broken_at))


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        # Lin 2004, section 3.1: the reference "police killed the gunman" and its two candidates; by hand, LCS 3 and 2
        # of four words on both sides.
        ("police kill the gunman", "police killed the gunman", 3 / 4),
        ("the gunman kill police", "police killed the gunman", 2 / 4),
        ("Paris.", "paris", 1.0),
        ("London", "Paris", 0.0),
        ("", "Paris", 0.0),
        ("a b c d", "a", 2 / 5),
    ],
)
def test_similarity_is_rouge_l(text: str, reference: str, expected: float) -> None:
    assert similarity(text, reference) == pytest.approx(expected)


@given(st.text(max_size=60), st.text(max_size=60))
def test_similarity_is_a_part_of_one_and_the_same_both_ways(one: str, other: str) -> None:
    assert 0 <= similarity(one, other) <= 1
    assert similarity(one, other) == pytest.approx(similarity(other, one))
    assert similarity(one, one) == 1.0


@pytest.mark.parametrize(
    ("expect", "text", "because"),
    [
        pytest.param(Expectation(contains=("France", "Lyon")), "", "contains: piece 2 of 2", id="a piece is missing"),
        pytest.param(Expectation(regex=r"^\d+$"), "", "regex: nothing", id="nothing matches"),
        pytest.param(Expectation(json_schema={}), "", "jsonSchema: the answer is no JSON", id="no JSON"),
        pytest.param(
            Expectation(json_schema={"required": ["city"]}), '{"town": 1}', r"jsonSchema: .* \$", id="another object"
        ),
        pytest.param(Expectation(max_latency_s=0.5), "", "it took 1.0 s, the limit is 0.5 s", id="too slow"),
        pytest.param(
            Expectation(reference="Berlin, of course", similarity=0.3),
            "",
            "similarity: 0.22",
            id="far from it: one word of nine",
        ),
    ],
)
def test_what_is_not_met_is_told_without_a_word_of_the_answer(expect: Expectation, text: str, because: str) -> None:
    (*_, last) = unmet(expect, text or SOUND.text)

    assert re.search(because, last), last
    assert "Paris" not in last
    assert "town" not in last


def test_what_is_met_is_not_told() -> None:
    wide = Expectation(("Paris",), r"(?i)\bparis\b", None, 1.0, "The capital of France is Paris", 0.9)

    assert unmet(wide, SOUND.text) == []
    assert unmet(Expectation(json_schema={"required": ["city"]}), '{"city": "Paris"}') == []


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("  \n", "is empty"),
        ("the " * 20, "one word makes 20 of the answer's 20"),
        ("Yes. No. " * 8, "repeats 9 characters"),
        ("!" * 60, "repeats 1 characters 60 times"),
        ("ab�cd�e", "29 % of the answer"),
    ],
)
def test_no_sound_model_writes_so(text: str, because: str) -> None:
    assert because in degeneration(text)


@pytest.mark.parametrize(
    "text", ["Paris.", "No, no, no!", SOUND.text, "1, 2, 3, 4, 5, 6, 7, 8", "日本の首都は東京です。"]
)
def test_what_a_sound_model_may_write_is_let_be(text: str) -> None:
    assert degeneration(text) == ""


@given(st.text(min_size=1, max_size=8).filter(lambda one: one.strip() == one and one), st.integers(24, 40))
def test_whatever_is_said_over_and_over_is_found(piece: str, times: int) -> None:
    assert degeneration(piece * times)


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (ChatAnswer("b" * 12, f"{'b' * 12}-1", text="Hello.", finish_reason="stop"), "not by aaaaaaaaaaaa-1"),
        (ChatAnswer("", "", text="Hello.", finish_reason="stop"), "does not say which release"),
        (ChatAnswer("", "", error="ModelError (status 500)"), "answered with ModelError"),
        (ChatAnswer(RELEASE, ROLLOUT, text="Hello."), "does not end with a finish_reason"),
        (ChatAnswer(RELEASE, ROLLOUT, text="Hello.", finish_reason="stop", certainty=-10.8), "unsure of every word"),
    ],
)
def test_every_answer_says_who_gave_it_and_ends_soundly(answer: ChatAnswer, because: str) -> None:
    (problem,) = problems(BUILT_IN[0], answer, release_id=RELEASE, rollout_id=ROLLOUT, schema_check=SCHEMAS.broken_at)

    assert problem.startswith("built-in prompt 1 (a greeting): ")
    assert because in problem


def test_a_sound_answer_has_no_problem() -> None:
    sure = ChatAnswer(RELEASE, ROLLOUT, text=SOUND.text, finish_reason="stop", certainty=MIN_CERTAINTY)
    prompt = Prompt("any", (), 8, Expectation())

    assert problems(prompt, sure, release_id=RELEASE, rollout_id=ROLLOUT, schema_check=SCHEMAS.broken_at) == []


def line(**expect: Any) -> bytes:
    return json.dumps({"id": "one", "messages": [{"role": "user", "content": "Hi"}], "expect": expect}).encode()


@pytest.mark.parametrize(
    ("body", "because"),
    [
        pytest.param(line(contains=["a"]) + b"\n\n{", "golden.jsonl line 3: it is no JSON", id="no JSON"),
        pytest.param(line(), "line 1: GoldenPrompt breaks its contract at expect", id="asks for nothing"),
        pytest.param(line(perplexity=9), "line 1: perplexity cannot be measured", id="perplexity"),
        pytest.param(line(similarity=0.5), "'similarity' needs the 'reference'", id="similarity to nothing"),
        pytest.param(line(regex="("), "expect.regex is no regular expression", id="a broken pattern"),
        pytest.param(line(jsonSchema={"type": "text"}), "expect.jsonSchema is no JSON Schema", id="a broken schema"),
        pytest.param(
            line(jsonSchema={"$ref": "http://127.0.0.1/x"}), "leads nowhere", id="a schema that lies elsewhere"
        ),
        pytest.param(line(regex="a") + b"\n" + line(regex="b"), "line 2: the id one is line 1's", id="an id twice"),
        pytest.param(b"\n \n", "has no prompt", id="nothing"),
        pytest.param(b"\xff", "is not UTF-8", id="not text"),
        pytest.param(b" " * (MAX_BYTES + 1), "has 1000001 bytes, the limit is 1000000", id="too long"),
        pytest.param(b"{}\n" * 201, "has 201 prompts, the limit is 200", id="too many"),
    ],
)
def test_a_golden_file_that_cannot_be_asked_says_where(body: bytes, because: str) -> None:
    found = read_golden(body, SCHEMAS)

    assert because in " ".join(found.problems)


def test_two_hundred_prompts_are_read_with_the_numbers_of_their_lines() -> None:
    lines = [line(regex="a").replace(b'"one"', f'"p{number}"'.encode()) for number in range(200)]

    found = read_golden(b"\n".join(lines), SCHEMAS)

    assert (len(found.prompts), found.problems) == (200, ())
    assert found.prompts[-1].name == "golden.jsonl line 200 (p199)"
