"""How much proof the guard alarm wants: sized with scipy's binomial distribution, and read as CloudWatch reads it."""

import pytest
from scipy.stats import binom

from local.metrics.expressions import parse
from local.metrics.math_functions import Scope, compute
from local.metrics.store import Series
from release.domain import guard

SOUND, LOOKS_OF_AN_HOUR = 0.01, 58  # windows of three minutes in sixty


def proofs(errors: Series, requests: Series) -> list[bool]:
    """What CloudWatch's metric math makes of some minutes, as the embedded AWS computes it."""
    series = {guard.ERRORS: errors, guard.REQUESTS: requests}
    found = compute(parse(guard.EXPRESSION), Scope(dict(series), series, guard.PERIOD_S, len(errors)))
    assert isinstance(found, tuple)
    return [value == 1 for value in found]


def chance_of_proof(requests: int, error_rate: float) -> float:
    counts = range(requests + 1)
    found = proofs(tuple(float(count) for count in counts), (float(requests),) * len(counts))
    return float(sum(binom.pmf([count for count in counts if found[count]], requests, error_rate)))


def chance_of_alarm(minute: float) -> float:
    """Two of three minutes or all of them."""
    return float(binom.sf(guard.BREACHING - 1, guard.PERIODS, minute))


def test_an_hour_s_bake_of_a_sound_green_is_undone_less_than_once_in_a_hundred() -> None:
    """Boole's inequality over the windows of the hour, at the worst of all traffics from two requests a minute."""
    worst = max(chance_of_alarm(chance_of_proof(requests, SOUND)) for requests in (*range(2, 150), 500, 2000))

    assert worst * LOOKS_OF_AN_HOUR <= 0.01


@pytest.mark.parametrize("requests", [1, 2, 4, 50, 1000])
def test_a_green_that_fails_everything_is_found_whatever_its_traffic(requests: int) -> None:
    assert chance_of_proof(requests, 1.0) == 1.0


def test_a_green_that_fails_three_in_ten_is_found_within_three_minutes() -> None:
    assert chance_of_alarm(chance_of_proof(100, 0.3)) >= 0.999


@pytest.mark.parametrize(
    ("errors", "requests", "proof"),
    [
        pytest.param(1, 4, False, id="one lost answer in a quiet minute"),
        pytest.param(2, 4, False, id="half of four are too few to say"),
        pytest.param(3, 30, True, id="three, and a tenth"),
        pytest.param(3, 31, False, id="three, and less than a tenth"),
        pytest.param(1, 1, True, id="all that was asked"),
        pytest.param(0, 0, False, id="silence"),
    ],
)
def test_one_minute_is_proof_by_number_and_by_share(errors: float, requests: float, proof: object) -> None:
    assert proofs((errors,), (requests,)) == [proof]
