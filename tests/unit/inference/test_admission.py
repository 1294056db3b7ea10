"""Who is let in, by hand calculation: the engine's pace is set, so the future can be worked out on paper."""

import pytest

from engine.protocol import Loaded, Progress
from server.admission import Admission
from server.attributes import Limits
from server.errors import ServingError
from server.forecast import Forecast, Ticket
from server.provenance import provenance_of
from server.settings import Settings

TOKEN_S, READ_S = 0.01, 0.001
NEVER = Limits(1e9, 1e9)


def forecast(slots: int, kv_tokens: int = 0) -> Forecast:
    """A step takes 10 ms, a prompt token 1 ms more."""
    made = Forecast(slots, kv_tokens, clock=lambda: 0.0)
    made.note_step(Progress(1, 0, 0, read_tokens=0, drawn_tokens=1, step_s=TOKEN_S))
    made.note_step(Progress(1, 0, 0, read_tokens=100, drawn_tokens=0, step_s=0.1))
    return made


def ticket(prompt: int, new: int, said: int = 0) -> Ticket:
    return Ticket(prompt, new, 0.0, prompt_tokens=prompt, said=said)


@pytest.mark.parametrize(
    ("inside", "first_s"),
    [
        # 100 tokens at 1 ms, then one step.
        pytest.param([], 0.11, id="nobody is inside"),
        # The other has said 1 of 51, so 50 steps of 10 ms are left, then 100 ms of reading and one step.
        pytest.param([ticket(100, 51, said=1)], 0.61, id="the one slot is taken"),
        # First 0.5 s, then the second reads 0.1 s and talks 50 steps, then our own 0.1 s and one step.
        pytest.param([ticket(100, 51, said=1), ticket(100, 51)], 1.21, id="and one waits before us"),
    ],
)
def test_the_first_token_is_predicted_from_who_is_inside(inside: list[Ticket], first_s: float) -> None:
    assert forecast(1).predict(inside, ticket(100, 10)).first_token_s == pytest.approx(first_s)


def test_the_whole_answer_is_predicted_too() -> None:
    # 0.1 s of reading, whose last step draws the first token, then 9 steps, and one of grace.
    assert forecast(1).predict([], ticket(100, 10)).answer_s == pytest.approx(0.2)


def test_room_for_keys_and_values_counts_as_slots_do() -> None:
    other = ticket(100, 51, said=1)
    roomy, tight = forecast(2, kv_tokens=1000), forecast(2, kv_tokens=200)

    # 151 tokens are reserved and we need 110: both fit into 1000, and in 200 we wait 0.5 s for the other's end.
    assert roomy.predict([other], ticket(100, 10)).first_token_s == pytest.approx(0.11)
    assert tight.predict([other], ticket(100, 10)).first_token_s == pytest.approx(0.61)


def test_a_request_that_would_be_late_hears_the_wait_and_when_to_come_again() -> None:
    admission = Admission(9, forecast(1), clock=lambda: 0.0)
    with admission.enter([0], 51, NEVER) as (first,):
        first.prompt_tokens = 100
        first.said = 1
        with pytest.raises(ServingError) as refused, admission.enter([0], 10, Limits(60, 0.3)):
            pytest.fail("it was let in")

    # The other's 50 steps, one token of a prompt of unknown length (1 ms) and one step.
    assert "predicted after 0.51 s, limit 0.3 s" in refused.value.message
    assert (refused.value.code, refused.value.status) == ("deadline_unreachable", 429)
    assert refused.value.retry_after_s == pytest.approx(0.211)
    assert admission.inside == 0


def test_all_choices_of_a_request_count_and_are_given_back_together() -> None:
    admission = Admission(3, Forecast(1))
    with admission.enter([1, 1], 5, NEVER):
        assert admission.inside == 2
        with (
            pytest.raises(ServingError, match="2 requests are running or waiting, limit 3"),
            admission.enter([1, 1], 5, NEVER),
        ):
            pytest.fail("it was let in")

    assert admission.inside == 0


def test_what_can_never_fit_is_left_to_the_engine_which_knows_the_numbers() -> None:
    tight = forecast(1)
    tight.context = 100
    admission = Admission(9, tight)

    with admission.enter([10], 10_000, Limits(0.001, 0.001)):
        assert admission.inside == 1


def test_an_engine_that_nobody_has_measured_refuses_nobody() -> None:
    with Admission(9, Forecast(1)).enter([10**6], 10**6, Limits(0.001, 0.001)) as tickets:
        assert tickets[0].forecast_s == 0


def test_late_first_tokens_make_the_forecast_more_careful_than_early_ones_make_it_bold() -> None:
    late, early = forecast(1), forecast(1)
    for one, seconds in ((late, 2.0), (early, 0.5)):
        seen = Ticket(10, 10, 0.0, forecast_s=1.0)
        one.clock = [seconds].copy().pop
        one.note_piece(seen)
    plain = forecast(1).predict([], ticket(100, 10)).first_token_s

    # By a tenth of what was missing, and by a hundredth of what was too much.
    assert late.predict([], ticket(100, 10)).first_token_s == pytest.approx(plain * 1.1)
    assert early.predict([], ticket(100, 10)).first_token_s == pytest.approx(plain * 0.995)


def test_the_fingerprint_changes_with_what_can_change_an_answer_and_with_nothing_else() -> None:
    settings = Settings("3f2a91c07d4e", "3f2a91c07d4e-1")
    model = Loaded(8192, 100, "a" * 64, "int8", "torch 2")
    base = provenance_of(settings, model).fingerprint

    again = provenance_of(Settings("3f2a91c07d4e", "3f2a91c07d4e-2"), model).fingerprint
    other = {
        provenance_of(settings, Loaded(8192, 100, "b" * 64, "int8", "torch 2")).fingerprint,
        provenance_of(settings, Loaded(8192, 100, "a" * 64, "float32", "torch 2")).fingerprint,
        provenance_of(settings, Loaded(8192, 100, "a" * 64, "int8", "torch 3")).fingerprint,
        provenance_of(Settings("3f2a91c07d4e", "3f2a91c07d4e-1", image_digest="sha256:" + "0" * 64), model).fingerprint,
    }

    assert again == base
    assert len(other | {base}) == 5
    assert "fingerprint" not in provenance_of(settings, None).custom_attributes
