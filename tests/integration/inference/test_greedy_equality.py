"""The engine says what plain `generate()` says, token by token, whoever runs beside it."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from engine.loop import Job, Loop
from engine.policy import Budget
from engine.protocol import Abort, Event, Finished, Piece, Submit
from engine.runner import Runner
from tests.integration.inference.tiny_model import tiny_llama, tiny_stablelm

END = 0


class NumberText:
    """Shows every token as its number."""

    def encode(self, request: Submit) -> list[int]:
        raise NotImplementedError

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(f"{token} " for token in ids)


def generate(model: Any, prompt: list[int], max_tokens: int) -> list[int]:
    """The reference implementation, one request at a time."""
    ids = torch.tensor([prompt])
    output = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_tokens, do_sample=False, pad_token_id=END
    )
    answer: list[int] = output[0, len(prompt) :].tolist()
    return answer[: answer.index(END)] if END in answer else answer


@pytest.mark.parametrize(
    "make", [pytest.param(tiny_llama, id="grouped queries"), pytest.param(tiny_stablelm, id="partial rotary")]
)
def test_batched_answers_equal_generate_with_late_joiners_and_aborts(make: Callable[[], Any]) -> None:
    model = make()
    chance = random.Random(5)  # noqa: S311 - a reproducible test, not a secret
    events: list[Event] = []
    budget = Budget(slots=4, kv_tokens=1200, prefill_tokens=7)
    loop = Loop(Runner(model), NumberText(), budget, frozenset({END}), events.extend)
    prompts = {f"r{n}": [chance.randint(1, 259) for _ in range(chance.randint(1, 40))] for n in range(14)}
    lengths = {name: chance.choice([1, 8, 30]) for name in prompts}
    aborted = {"r3", "r9"}

    for name, prompt in prompts.items():
        loop.inbox.put(Job(Submit(name), prompt, lengths[name]))
        if name == "r9":
            loop.inbox.put(Abort("r3"))
        for _ in range(chance.randint(0, 6)):
            loop.take(wait_s=0)
            loop.step()
    loop.inbox.put(Abort("r9"))
    for _ in range(300):
        loop.take(wait_s=0)
        loop.step()

    assert {event.request_id for event in events if isinstance(event, Finished)} | aborted == set(prompts)
    for name in set(prompts) - aborted:
        said = "".join(event.text for event in events if isinstance(event, Piece) and event.request_id == name)
        assert [int(token) for token in said.split()] == generate(model, prompts[name], lengths[name]), name


def test_a_seeded_request_draws_the_same_alone_and_in_company() -> None:
    model = tiny_llama()

    def answer(company: int) -> str:
        events: list[Event] = []
        loop = Loop(Runner(model), NumberText(), Budget(8, 4000, 64), frozenset({END}), events.extend)
        for number in range(company):
            loop.inbox.put(Job(Submit(f"c{number}", temperature=1.0), [9, 8, number + 1], 30))
        loop.inbox.put(Job(Submit("seeded", temperature=0.8, top_p=0.9, seed=11), [5, 6, 7], 30))
        for _ in range(60):
            loop.take(wait_s=0)
            loop.step()
        return "".join(event.text for event in events if isinstance(event, Piece) and event.request_id == "seeded")

    assert answer(0) == answer(5) != ""


def test_a_poisoned_neighbour_reaches_nobody_and_leaves_nothing_behind() -> None:
    model = tiny_llama()
    runner = Runner(model)
    runner.shape(2, 64)
    runner.open(0, Submit("sick"))
    runner.prefill(0, [5, 6, 7], last=True)
    for tensor in (*runner.cache._keys, *runner.cache._values):
        tensor[0] = float("nan")
    runner.open(1, Submit("well"))
    first = runner.prefill(1, [9, 8, 7], last=True)

    tokens = runner.decode([0, 1])
    runner.close(0)
    runner.open(0, Submit("next"))
    after = runner.prefill(0, [9, 8, 7], last=True)

    assert isinstance(tokens[0], FloatingPointError)
    assert [first, tokens[1]] == generate(model, [9, 8, 7], 2)
    assert after == first
    # The neighbour is longer, so this row's unwritten tail is read, too, and weighs zero.
    assert runner.decode([0, 1])[0] == tokens[1]
