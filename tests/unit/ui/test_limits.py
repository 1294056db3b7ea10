"""What one person may ask, at the edges; the clock is the test's."""

from dataclasses import dataclass

import pytest

from ui.breaker import FAILURES_IN_A_ROW, REST_S, Breaker
from ui.limits import AT_ONCE, Limits


@dataclass
class Clock:
    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def ask(limits: Limits, person: str, tokens: int = 10) -> str:
    trouble = limits.begin(person)
    if trouble:
        return trouble.sentence
    limits.end(person, tokens)
    return ""


def test_a_bucket_empties_by_questions_and_fills_by_the_minute() -> None:
    clock = Clock()
    limits = Limits(6, 10**6, clock=clock)

    said = [ask(limits, "ada") for _ in range(7)]
    clock.now_s += 10  # six a minute is one in ten seconds

    assert said == [""] * 6 + [
        "You asked 6 times within a minute, which is the limit; ask again in 10 s.",
    ]
    assert [ask(limits, "ada"), ask(limits, "ada")[:9]] == ["", "You asked"]


def test_what_one_person_asks_costs_nobody_else_anything() -> None:
    limits = Limits(2, 10**6, clock=Clock())

    assert [ask(limits, "ada")[:9] for _ in range(100)][-1] == "You asked"
    assert [ask(limits, "bob") for _ in range(2)] == ["", ""]


def test_the_budget_of_a_day_ends_at_midnight_utc() -> None:
    today = Clock(86_400 * 20_000 + 3_600 * 22)
    limits = Limits(100, 1_000, clock=Clock(), today=today)

    first, second = ask(limits, "ada", 1_000), ask(limits, "ada")
    today.now_s += 3_600 * 2

    assert (first, second) == ("", "You used 1000 of 1000 tokens today; ask again in 2 h, at 00:00 UTC.")
    assert ask(limits, "ada") == ""


def test_a_few_answers_run_at_once_and_no_more() -> None:
    limits = Limits(100, 10**6, clock=Clock())

    begun = [limits.begin("ada") for _ in range(AT_ONCE + 1)]
    limits.end("ada", 0)

    assert [trouble is None for trouble in begun] == [True] * AT_ONCE + [False]
    assert limits.begin("ada") is None


def test_what_is_refused_costs_no_question() -> None:
    clock = Clock()
    limits = Limits(1, 10**6, clock=clock)

    refused = [ask(limits, "ada") for _ in range(50)][1:]
    clock.now_s += 60

    assert all(refused)
    assert ask(limits, "ada") == ""


@pytest.mark.parametrize(("later_s", "rests"), [(REST_S - 0.1, True), (REST_S, False)])
def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try_after_its_rest(
    later_s: float, *, rests: bool
) -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES_IN_A_ROW):
        assert breaker.admit() == 0
        breaker.failed()

    clock.now_s += later_s

    assert bool(breaker.admit()) is rests
    assert breaker.admit() > 0, "only one may try while the others wait for what comes of it"


def test_a_breaker_forgets_failures_at_the_first_success() -> None:
    breaker = Breaker(Clock())
    for _ in range(FAILURES_IN_A_ROW - 1):
        breaker.failed()
    breaker.succeeded()
    breaker.failed()

    assert breaker.rest_left_s() == 0
