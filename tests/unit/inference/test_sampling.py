"""How the next token is drawn."""

import math
from typing import Any

import pytest
import torch

from engine.device import Drawn
from engine.protocol import Submit
from engine.sampling import Sampler, choose

LOGITS = torch.log(torch.tensor([0.1, 0.5, 0.15, 0.25]))


def sampler(temperature: float = 0.0, prompt: tuple[int, ...] = (), guide: Any = None, **fields: Any) -> Sampler:
    return Sampler(Submit("r", temperature=temperature, **fields), prompt, guide)


def token(drawn: Drawn | FloatingPointError) -> int:
    assert isinstance(drawn, Drawn)
    return drawn.token


def draw(one: Sampler, times: int, logits: torch.Tensor = LOGITS) -> list[int]:
    return [token(choose(logits[None].clone(), [one])[0]) for _ in range(times)]


def test_temperature_zero_is_greedy() -> None:
    assert set(draw(sampler(), 20)) == {1}


@pytest.mark.parametrize("vocabulary", [pytest.param(1024, id="in two steps"), pytest.param(1000, id="in one")])
def test_the_greedy_token_is_the_largest_wherever_it_stands(vocabulary: int) -> None:
    rows = torch.randn(64, vocabulary, generator=torch.Generator().manual_seed(4))

    drawn = choose(rows, [sampler() for _ in range(64)])

    assert [token(one) for one in drawn] == rows.argmax(-1).tolist()
    assert choose(rows[:0], []) == [], "in a step that only reads, nobody speaks"


def test_the_same_seed_draws_the_same_tokens_and_another_seed_others() -> None:
    first, again, other = (draw(sampler(1.0, seed=seed), 50) for seed in (7, 7, 8))

    assert first == again
    assert first != other


def test_a_seed_draws_the_same_in_a_row_of_its_own_and_among_others() -> None:
    alone, among = sampler(1.0, seed=7), sampler(1.0, seed=7)
    company = [sampler(), among, sampler(2.0, top_p=0.3), sampler(0.5, top_k=2)]

    together = [token(choose(LOGITS.repeat(4, 1), company)[1]) for _ in range(50)]

    assert together == draw(alone, 50)


def test_without_a_seed_two_requests_draw_differently() -> None:
    assert draw(sampler(1.0), 100) != draw(sampler(1.0), 100)


@pytest.mark.parametrize(
    ("temperature", "wanted"),
    [
        pytest.param(1.0, [0.1, 0.5, 0.15, 0.25], id="the model's own probabilities"),
        # p ** 2, scaled to one: 0.01, 0.25, 0.0225, 0.0625 over 0.345
        pytest.param(0.5, [0.0290, 0.7246, 0.0652, 0.1812], id="sharper"),
    ],
)
def test_tokens_come_as_often_as_their_probability_says(temperature: float, wanted: list[float]) -> None:
    times = 4000
    drawn = draw(sampler(temperature, seed=3), times)

    for one, probability in enumerate(wanted):
        four_sigma = 4 * math.sqrt(probability * (1 - probability) / times)
        assert abs(drawn.count(one) / times - probability) < four_sigma


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [
        pytest.param(0.4, {1}, id="the likeliest alone reaches it"),
        pytest.param(0.6, {1, 3}, id="two are needed"),
        pytest.param(0.8, {1, 2, 3}, id="three are needed"),
        pytest.param(1e-9, {1}, id="never fewer than one"),
    ],
)
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p: float, kept: set[int]) -> None:
    assert set(draw(sampler(1.0, seed=5, top_p=top_p), 400)) == kept


@pytest.mark.parametrize("temperature", [pytest.param(0.0, id="greedy"), pytest.param(1.0, id="drawn")])
@pytest.mark.parametrize(
    "scores",
    [
        pytest.param([0.0, math.nan], id="one is no number"),
        pytest.param([0.0, math.inf], id="one is infinite"),
        pytest.param([-math.inf, -math.inf], id="every token is forbidden"),
    ],
)
def test_scores_that_are_no_numbers_are_an_error_not_a_token(scores: list[float], temperature: float) -> None:
    rows = torch.tensor([scores, [0.0, 1.0]])

    sick, well = choose(rows, [sampler(temperature), sampler()])

    assert isinstance(sick, FloatingPointError)
    assert token(well) == 1, "the neighbour is not touched"


def test_a_forbidden_token_is_never_drawn() -> None:
    drawn = draw(sampler(2.0, seed=1), 100, torch.tensor([-math.inf, 0.0, 0.0]))

    assert set(drawn) == {1, 2}


@pytest.mark.parametrize(
    ("temperature", "top_p"),
    [
        pytest.param(1e-30, 1.0, id="a tiny temperature"),
        pytest.param(5e-324, 1.0, id="the least temperature that JSON can say"),
        pytest.param(1.0, 5e-324, id="the least top_p that JSON can say"),
    ],
)
def test_values_that_are_zero_to_the_device_choose_the_likeliest(temperature: float, top_p: float) -> None:
    assert draw(sampler(temperature, seed=1, top_p=top_p), 1) == [1]


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        pytest.param({"top_k": 1}, {1}, id="top-k of one"),
        pytest.param({"top_k": 3}, {1, 2, 3}, id="top-k of three"),
        pytest.param({"top_k": 99}, {0, 1, 2, 3}, id="more than there are"),
        # 0.25 is half of 0.5; 0.15 is less.
        pytest.param({"min_p": 0.45}, {1, 3}, id="min-p is a share of the likeliest"),
        # Of the two that top-k leaves, the first has 0.5 / 0.75 = 0.67 of the weight.
        pytest.param({"top_k": 2, "top_p": 0.6}, {1}, id="top-p looks at what top-k has left"),
        pytest.param({"top_k": 2, "top_p": 0.7}, {1, 3}, id="and keeps both where one does not reach it"),
    ],
)
def test_what_may_be_drawn_is_what_the_request_keeps(fields: dict[str, Any], kept: set[int]) -> None:
    assert set(draw(sampler(1.0, seed=5, **fields), 400)) == kept


@pytest.mark.parametrize("top_p", [pytest.param(0.5, id="half of them"), pytest.param(0.999, id="nearly all")])
def test_a_nucleus_wider_than_the_first_look_is_exact(top_p: float) -> None:
    vocabulary, times = 1000, 6000  # equally likely, so the nucleus is as wide as its share

    drawn = draw(sampler(1.0, seed=2, top_p=top_p), times, torch.zeros(vocabulary))

    # One of the kept is never drawn with a chance of (1 - 1 / kept) ** 6000, 1e-5 or 2e-3, so nearly all come.
    assert top_p * vocabulary * 0.98 <= len(set(drawn)) <= top_p * vocabulary + 1


@pytest.mark.parametrize(
    ("fields", "said", "wanted"),
    [
        # Scores 4, 3, 1, 0.
        pytest.param({}, [0, 0, 0, 0], "0000", id="without penalties the likeliest comes every time"),
        pytest.param({"presence_penalty": 1.5}, [0, 1], "0100", id="presence: 2.5 against 3, then 2.5 against 1.5"),
        pytest.param(
            {"frequency_penalty": 0.6}, [0, 0], "0010", id="frequency: 4, 3.4, 2.8 against 3, then 2.8 to 2.4"
        ),
        pytest.param({"repetition_penalty": 2.0}, [0, 1], "0100", id="repetition: 2 against 3, then 2 against 1.5"),
    ],
)
def test_penalties_are_those_of_their_definitions(fields: dict[str, Any], said: list[int], wanted: str) -> None:
    logits = torch.tensor([4.0, 3.0, 1.0, 0.0])

    drawn = draw(sampler(0.0, **fields), 4, logits)

    assert "".join(map(str, drawn)) == wanted
    assert drawn[: len(said)] == said


def test_repetition_counts_the_prompt_and_makes_negative_scores_worse() -> None:
    # 3 / 2 = 1.5 lies below 2; -1 * 2 = -2 lies below -1.5.
    assert draw(sampler(repetition_penalty=2.0, prompt=(0,)), 1, torch.tensor([3.0, 2.0])) == [1]
    assert draw(sampler(repetition_penalty=2.0, prompt=(0,)), 1, torch.tensor([-1.0, -1.5])) == [1]


def test_log_probabilities_are_the_models_own_whatever_is_done_to_the_scores() -> None:
    one = sampler(2.0, seed=1, top_k=1, presence_penalty=2.0, logprobs=2)

    drawn = choose(LOGITS[None].clone(), [one])[0]

    assert isinstance(drawn, Drawn)
    assert drawn.token == 1
    assert drawn.logprob == pytest.approx(math.log(0.5), abs=1e-6)
    assert [name for name, _ in drawn.likeliest] == [1, 3]
    assert [value for _, value in drawn.likeliest] == pytest.approx([math.log(0.5), math.log(0.25)], abs=1e-6)


class OddGuide:
    """Only odd tokens may come, and it hears what came."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def forbid(self, scores: torch.Tensor) -> None:
        scores[::2] = -math.inf

    def accept(self, token: int) -> None:
        self.heard.append(token)


def test_a_guide_forbids_and_hears_what_was_chosen() -> None:
    guide = OddGuide()

    drawn = draw(sampler(2.0, seed=3, guide=guide), 50)

    assert set(drawn) == {1, 3}
    assert guide.heard == drawn
