"""The preflight's questions put to the real small model, whole and broken; nothing but SageMaker is left out.

Answers are cut off after a few tokens: the model itself is slow where other tests run beside it.
"""

import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from botocore.exceptions import ClientError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from release.adapters.probes import RuntimeProbes
from release.adapters.schemas import JsonSchemas
from release.contracts.steps import RolloutStep
from release.domain.golden import Expectation
from release.domain.probes import BUILT_IN, Prompt, problems
from slipway.packaging.example_model import default_cache, prepare_example_model
from tests.builders.house import House
from tests.fakes.folder import FolderArtifacts
from tests.integration.inference.servers import RELEASE_ID, ROLLOUT_ID, Server, running

_TOKENS = 16
FRANCE = Prompt(
    "golden.jsonl line 1",
    ({"role": "user", "content": "What is the capital of France?"},),
    _TOKENS,
    Expectation(reference="The capital of France is Paris.", similarity=0.8),
)
CUT = 1_000_000
GREETING = replace(BUILT_IN[0], max_tokens=_TOKENS)


class Runtime:
    """SageMaker's runtime in front of one container."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def invoke_endpoint(self, *, Body: bytes, **_: object) -> dict[str, Any]:  # noqa: N803 - AWS's name
        answer = self._server.ask(json.loads(Body))
        if answer.status_code != 200:  # as SageMaker tells of a container that answered with an error
            said = {"Error": {"Code": "ModelError", "Message": ""}, "OriginalStatusCode": answer.status_code}
            raise ClientError(said, "InvokeEndpoint")  # type: ignore[arg-type] # botocore's stub lacks ModelError's fields
        who = answer.headers["x-amzn-sagemaker-custom-attributes"]
        return {"Body": io.BytesIO(answer.content), "CustomAttributes": who}


def found(folder: Path, log: Path, prompts: tuple[Prompt, ...]) -> list[str]:
    """What the preflight finds wrong."""
    with running("serve", folder, log, SLIPWAY_THREADS="2") as server:
        server.await_ready(300)
        probes: Any = RuntimeProbes(Runtime(server))  # type: ignore[arg-type] # the one call that probes make
        who: dict[str, Any] = {
            "release_id": RELEASE_ID,
            "rollout_id": ROLLOUT_ID,
            "schema_check": JsonSchemas().broken_at,
        }
        return [problem for prompt in prompts for problem in problems(prompt, probes.chat("x", prompt), **who)]


def garbage_weights(folder: Path) -> None:
    torch.manual_seed(1)
    weights = load_file(folder / "model.safetensors")
    noise = {name: (torch.randn(one.shape) * 0.02).to(one.dtype) for name, one in weights.items()}
    (folder / "model.safetensors").unlink()
    save_file(noise, folder / "model.safetensors")


def wrong_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    (folder / "chat_template.jinja").write_text(
        "{% for message in messages %}[INST] {{ message['content'] }} [/INST]{% endfor %}"
    )


def swapped_tokenizer(folder: Path) -> None:
    """The same words in another order, as another training of the tokenizer would have them."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    special = {token["content"] for token in tokenizer["added_tokens"]}
    words = [word for word in vocabulary if word not in special]
    numbers = [vocabulary[word] for word in words]
    vocabulary.update(zip(words, reversed(numbers), strict=True))
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy whose files may be replaced, never written into."""
    made = prepare_example_model(default_cache(), lambda _line: None)
    return Path(shutil.copytree(made, tmp_path / "model"))


@pytest.mark.prove
@pytest.mark.model
def test_the_whole_model_meets_its_preflight(model: Path, tmp_path: Path) -> None:
    assert found(model, tmp_path / "log", (FRANCE, GREETING)) == []


@pytest.mark.model
@pytest.mark.parametrize(
    ("break_it", "prompt", "because"),
    [
        pytest.param(wrong_template, FRANCE, "the answer is empty", id="wrong chat template"),
        pytest.param(garbage_weights, GREETING, "unsure of every word", id="weights of noise", marks=pytest.mark.prove),
        pytest.param(swapped_tokenizer, FRANCE, "similarity: 0.00", id="swapped tokenizer", marks=pytest.mark.prove),
    ],
)
def test_a_broken_model_does_not_meet_its_preflight(
    model: Path, tmp_path: Path, break_it: Callable[[Path], None], prompt: Prompt, because: str
) -> None:
    break_it(model)

    assert because in "; ".join(found(model, tmp_path / "log", (prompt,)))


@pytest.mark.model
def test_a_truncated_shard_does_not_pass_its_examination(model: Path, tmp_path: Path) -> None:
    shard = model / "model.safetensors"
    with safe_open(shard, "pt") as opened:
        names = list(opened.keys())
        tensors = sum(opened.get_tensor(name).nbytes for name in names)
    os.truncate(shard, shard.stat().st_size - CUT)
    (tmp_path / "models/chat").mkdir(parents=True)
    drop = model.rename(tmp_path / "models/chat/v1")
    (drop / "manifest.json").write_text("{}")
    house = House(artifacts=FolderArtifacts(tmp_path))
    house.push()
    rollout = house.seal("models/chat/v1/manifest.json")

    judged = house.examining.examine(RolloutStep(endpoint="chat", rollout_id=str(rollout)))

    assert judged.verdict == "failed"
    assert f"has {tensors - CUT} bytes of tensors but its header describes {tensors}" in judged.reason
