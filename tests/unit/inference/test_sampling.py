"""How the next token is drawn."""

import math

import pytest
import torch

from engine.sampling import Sampler

LOGITS = torch.log(torch.tensor([0.1, 0.5, 0.15, 0.25]))


def draw(sampler: Sampler, times: int) -> list[int]:
    return [sampler.choose(LOGITS) for _ in range(times)]


def test_temperature_zero_is_greedy() -> None:
    assert set(draw(Sampler(0.0, 1.0, None), 20)) == {1}


def test_the_same_seed_draws_the_same_tokens_and_another_seed_others() -> None:
    first, again, other = (draw(Sampler(1.0, 1.0, seed), 50) for seed in (7, 7, 8))

    assert first == again
    assert first != other


def test_without_a_seed_two_requests_draw_differently() -> None:
    assert draw(Sampler(1.0, 1.0, None), 100) != draw(Sampler(1.0, 1.0, None), 100)


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
    drawn = draw(Sampler(temperature, 1.0, 3), times)

    for token, probability in enumerate(wanted):
        four_sigma = 4 * math.sqrt(probability * (1 - probability) / times)
        assert abs(drawn.count(token) / times - probability) < four_sigma


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
    assert set(draw(Sampler(1.0, top_p, 5), 400)) == kept


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
    with pytest.raises(FloatingPointError):
        Sampler(temperature, 1.0, None).choose(torch.tensor(scores))


def test_a_forbidden_token_is_never_drawn() -> None:
    sampler = Sampler(2.0, 1.0, 1)

    assert {sampler.choose(torch.tensor([-math.inf, 0.0, 0.0])) for _ in range(100)} == {1, 2}


@pytest.mark.parametrize(
    ("temperature", "top_p"),
    [
        pytest.param(1e-30, 1.0, id="a tiny temperature"),
        pytest.param(5e-324, 1.0, id="the least temperature that JSON can say"),
        pytest.param(1.0, 5e-324, id="the least top_p that JSON can say"),
    ],
)
def test_values_that_are_zero_to_the_device_choose_the_likeliest(temperature: float, top_p: float) -> None:
    assert Sampler(temperature, top_p, 1).choose(LOGITS) == 1
