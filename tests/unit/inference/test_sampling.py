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


def test_scores_that_are_no_numbers_are_an_error_not_a_token() -> None:
    with pytest.raises(FloatingPointError):
        Sampler(0.0, 1.0, None).choose(torch.tensor([0.0, math.nan]))


def test_a_tiny_temperature_does_not_overflow() -> None:
    assert Sampler(1e-30, 1.0, 1).choose(LOGITS) == 1
