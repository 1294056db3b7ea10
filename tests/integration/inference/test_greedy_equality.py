"""The engine says what plain `generate()` says, token by token, whoever runs beside it."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BitsAndBytesConfig, LlamaForCausalLM

from engine.loop import Job, Loop
from engine.model.config import read_config
from engine.model.decoder import Decoder
from engine.model.rows import RowStore
from engine.policy import Budget, Chunk, Opened, Plan
from engine.protocol import Abort, Event, Failed, Finished, Piece, Submit
from engine.runner import Runner
from tests.integration.inference.tiny_model import tiny_llama, tiny_stablelm

END = 0


class NumberText:
    """Shows every token as its number."""

    def encode(self, request: Submit) -> list[int]:
        raise NotImplementedError

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(f"{token} " for token in ids)

    def token(self, token: int) -> str:
        return f"{token} "


def no_guide(schema: str) -> Any:
    raise NotImplementedError


def runner_of(folder: Path, budget: Budget, precision: str = "float32") -> tuple[Runner, RowStore]:
    config = read_config(folder)
    decoder = Decoder(config, folder, torch.device("cpu"), precision)
    store = RowStore(config, decoder.dtype, budget, 512)
    return Runner(decoder, store, no_guide, budget.block_tokens), store


def generate(model: Any, prompt: list[int], max_tokens: int) -> list[int]:
    """The reference implementation, one request at a time."""
    ids = torch.tensor([prompt])
    output = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_tokens, do_sample=False, pad_token_id=END
    )
    answer: list[int] = output[0, len(prompt) :].tolist()
    return answer[: answer.index(END)] if END in answer else answer


def said(events: list[Event], name: str) -> list[int]:
    text = "".join(event.text for event in events if isinstance(event, Piece) and event.request_id == name)
    return [int(token) for token in text.split()]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(tiny_llama, id="grouped queries"),
        pytest.param(lambda: tiny_llama(attention_bias=True, mlp_bias=True, tie_word_embeddings=True), id="biases"),
        pytest.param(
            lambda: tiny_llama(
                rope_parameters={
                    "rope_type": "llama3",
                    "rope_theta": 500.0,
                    "factor": 4.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 32,
                }
            ),
            id="stretched rotary of Llama 3",
        ),
        pytest.param(tiny_stablelm, id="partial rotary"),
        pytest.param(lambda: tiny_stablelm(use_parallel_residual=True), id="parallel residual"),
        pytest.param(lambda: tiny_stablelm(use_qkv_bias=True, num_key_value_heads=2), id="query biases"),
    ],
)
def test_batched_answers_equal_generate_with_late_joiners_shared_prefixes_and_aborts(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    model = make()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("bias"):
                tensor.normal_(std=0.2)  # transformers begins them at zero, where a forgotten bias does not show
    model.save_pretrained(tmp_path)
    chance = random.Random(5)  # noqa: S311 - a reproducible test, not a secret
    events: list[Event] = []
    budget = Budget(slots=4, blocks=60, step_tokens=11, block_tokens=4)
    loop = Loop(runner_of(tmp_path, budget)[0], NumberText(), budget, frozenset({END}), events.extend)
    beginning = [chance.randint(1, 259) for _ in range(18)]
    prompts = {f"r{n}": [chance.randint(1, 259) for _ in range(chance.randint(1, 40))] for n in range(14)}
    prompts |= {f"s{n}": [*beginning[: 10 + n], chance.randint(1, 259)] for n in range(8)}
    lengths = {name: chance.choice([1, 8, 30]) for name in prompts}
    aborted = {"r3", "r9"}

    for name, prompt in prompts.items():
        loop.inbox.put(Job(Submit(name), prompt, lengths[name]))
        if name == "r9":
            loop.inbox.put(Abort("r3"))
            loop.inbox.put(Abort("r9"))
        for _ in range(chance.randint(0, 6)):
            loop.take(wait_s=0)
            loop.step()
    for _ in range(400):
        loop.take(wait_s=0)
        loop.step()

    ends = {event.request_id: event for event in events if isinstance(event, Finished)}
    assert ends.keys() | aborted == prompts.keys()
    assert sum(end.cached_tokens > 0 for end in ends.values()) >= 5, "prefixes were hardly shared"
    for name in prompts.keys() - aborted:
        assert said(events, name) == generate(model, prompts[name], lengths[name]), name


@pytest.fixture(scope="module")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    tiny_llama().save_pretrained(folder)
    return folder


def answers(folder: Path, jobs: Sequence[Job], precision: str, step_tokens: int = 64) -> dict[str, list[int]]:
    budget = Budget(slots=8, blocks=120, step_tokens=step_tokens, block_tokens=4)
    events: list[Event] = []
    loop = Loop(runner_of(folder, budget, precision)[0], NumberText(), budget, frozenset({END}), events.extend)
    for job in jobs:
        loop.inbox.put(job)
    for _ in range(200):
        loop.take(wait_s=0)
        loop.step()
    return {job.request.request_id: said(events, job.request.request_id) for job in jobs}


def test_a_seeded_request_draws_the_same_alone_and_in_company(llama_folder: Path) -> None:
    seeded = Job(Submit("seeded", temperature=0.8, top_p=0.9, seed=11), [5, 6, 7], 30)
    company = [Job(Submit(f"c{number}", temperature=1.0), [9, 8, number + 1], 30) for number in range(5)]

    alone = answers(llama_folder, [seeded], "float32")["seeded"]
    among = answers(llama_folder, [*company, seeded], "float32")["seeded"]

    assert alone == among != []


def test_int8_answers_do_not_depend_on_neighbours_or_on_how_the_prompt_was_cut(llama_folder: Path) -> None:
    jobs = [Job(Submit(f"r{number}"), [number * 31 % 259 + 1, *range(1, 30)], 20) for number in range(8)]

    together = answers(llama_folder, jobs, "int8")
    in_pieces = answers(llama_folder, jobs, "int8", step_tokens=9)
    alone = {name: answer for job in jobs for name, answer in answers(llama_folder, [job], "int8").items()}

    assert together == alone == in_pieces
    assert len({tuple(answer) for answer in alone.values()}) > 4, "the answers are too much alike to say anything"


def test_four_bit_weights_of_bitsandbytes_compute_as_bitsandbytes_does(tmp_path: Path) -> None:
    tiny_llama(hidden_size=64, intermediate_size=128).save_pretrained(tmp_path / "plain")
    make: Any = BitsAndBytesConfig  # it ships no types
    asked = make(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype="bfloat16"
    )
    model = LlamaForCausalLM.from_pretrained(tmp_path / "plain", quantization_config=asked, dtype=torch.float32)
    model.save_pretrained(tmp_path / "nf4")
    budget = Budget(slots=1, blocks=20, step_tokens=64, block_tokens=4)
    runner, store = runner_of(tmp_path / "nf4", budget)
    prompt = torch.tensor([7, 11, 13, 17, 19, 23])
    chunk = Chunk(0, 0, len(prompt), last=True)
    ours = runner._decoder.forward(prompt, torch.arange(len(prompt)), store.aim([], [chunk]), torch.arange(len(prompt)))
    with torch.no_grad():
        theirs = model(prompt[None]).logits[0].float()

    # bfloat16 products: 8 bits of mantissa, through two layers and a head.
    assert float((ours - theirs).norm() / theirs.norm()) < 0.03


def test_a_poisoned_neighbour_reaches_nobody_and_leaves_nothing_behind(llama_folder: Path) -> None:
    budget = Budget(slots=2, blocks=40, step_tokens=64, block_tokens=4)
    runner, store = runner_of(llama_folder, budget)
    events: list[Event] = []
    loop = Loop(runner, NumberText(), budget, frozenset({END}), events.extend)
    prompt = [9, 8, 7, 6, 5, 4]
    loop.inbox.put(Job(Submit("sick"), [1, *prompt], 20))
    loop.inbox.put(Job(Submit("well"), prompt, 20))
    loop.take(wait_s=0)
    loop.step()

    for rows in store._rows:
        rows[0] = float("nan")
    for _ in range(30):
        loop.step()
    loop.inbox.put(Job(Submit("next"), [1, *prompt], 20))
    for _ in range(30):
        loop.take(wait_s=0)
        loop.step()

    assert [event.request_id for event in events if isinstance(event, Failed)] == ["sick"]
    well = answers(llama_folder, [Job(Submit("well"), prompt, 20), Job(Submit("next"), [1, *prompt], 20)], "float32")
    assert {name: said(events, name) for name in ("well", "next")} == well


def test_a_row_gives_its_memory_back_and_reads_as_zeros(llama_folder: Path) -> None:
    budget = Budget(slots=2, blocks=40, step_tokens=64, block_tokens=4)
    runner, store = runner_of(llama_folder, budget)
    runner.open(Opened(1, "r", (0, 1, 2), 0), Submit("r"), [5, 6, 7])
    runner.step(Plan(chunks=(Chunk(1, 0, 3, last=True),)))
    written = [float(rows[1].abs().sum()) for rows in store._rows]

    runner.close(1)

    assert all(written)
    assert [float(rows[1].abs().sum()) for rows in store._rows] == [0.0] * len(written)
