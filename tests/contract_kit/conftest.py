"""The contract kit: the same checks over HTTP against any server of language models.

`pytest tests/contract_kit --base-url http://127.0.0.1:8000 --kit-report NAME.json` asks a server that runs already;
without `--base-url` the kit starts ours over a tiny model. `python -m tests.contract_kit.matrix *.json` prints who
passes what. A check is named by what it shows; the module is the part of the contract.
"""

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.integration.inference.servers import running
from tests.integration.inference.tiny_model import save_tiny_model

_LIMIT_S = 30.0
_RESULTS = pytest.StashKey[dict[str, bool]]()


@dataclass(frozen=True)
class Target:
    """The server under examination."""

    http: httpx.Client
    openai: openai.OpenAI
    model: str

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

    def chat(self, **fields: Any) -> dict[str, Any]:
        """A body that every server of OpenAI's chat API understands."""
        messages = [{"role": "user", "content": "Say hello."}]
        return {"model": self.model, "messages": messages, "max_tokens": 8, "temperature": 0, **fields}

    def ask(self, path: str = "/v1/chat/completions", **fields: Any) -> httpx.Response:
        return self.http.post(path, json=self.chat(**fields))

    def text(self, **fields: Any) -> str:
        answer = self.ask(**fields)
        assert answer.status_code == 200, answer.text
        content: str = answer.json()["choices"][0]["message"]["content"]
        return content

    def events(self, path: str = "/v1/chat/completions", **fields: Any) -> list[Any]:
        """The `data:` events of a stream; `[DONE]` as that string."""
        with self.http.stream("POST", path, json=self.chat(stream=True, **fields)) as answer:
            assert answer.status_code == 200, answer.read()
            data = [line[5:].strip() for line in answer.iter_lines() if line.startswith("data:")]
        return [one if one == "[DONE]" else json.loads(one) for one in data]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract kit")
    group.addoption("--base-url", help="root of a running server; without it ours is started")
    group.addoption("--kit-model", help="name of the model; default: the first of /v1/models")
    group.addoption("--kit-report", type=Path, help="file that gets each check's result as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RESULTS] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" or report.failed:
        module = item.path.stem.removeprefix("test_")
        item.config.stash[_RESULTS][f"{module}: {item.name.removeprefix('test_').replace('_', ' ')}"] = report.passed
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--kit-report", default=None)
    if path is not None:
        path.write_text(json.dumps(session.config.stash[_RESULTS], indent=1) + "\n")


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    given = request.config.getoption("--base-url", default=None)
    if given is not None:
        yield given
        return
    folder = tmp_path_factory.mktemp("kit")
    model = save_tiny_model(folder / "model")
    with running("serve", model, folder / "log", SAGEMAKER_ENABLE_STATEFUL_SESSIONS="true") as started:
        started.await_ready()
        yield started.url


@pytest.fixture(scope="session")
def target(base_url: str, request: pytest.FixtureRequest) -> Iterator[Target]:
    with (
        httpx.Client(base_url=base_url, timeout=_LIMIT_S) as http,
        openai.OpenAI(base_url=f"{base_url.rstrip('/')}/v1", api_key="none", timeout=_LIMIT_S, max_retries=0) as client,
    ):
        given = request.config.getoption("--kit-model", default=None)
        yield Target(http, client, given or http.get("/v1/models").json()["data"][0]["id"])
