"""`slipway local up`: everything on this machine, from nothing to an answer in the chat page, until Ctrl-C."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from local.deploy import DeployError, deploy
from local.images import BuiltImage, ImageError, ImageStore
from local.world import World
from slipway.aws_errors import error_code
from slipway.client import Slipway
from slipway.errors import SlipwayError, UsageError
from slipway.local_env import Ports, RunFile, exports, without_aws
from slipway.packaging.example_model import default_cache
from slipway.screen import Screen

STACK, ENDPOINT, VERSION = "slipway", "chat", "v1"
_CHECKOUT = Path(__file__).resolve().parents[1]
_INFERENCE_CONTEXT = _CHECKOUT / "inference_image"
_CHAT_CONTEXT = {
    "ui": _CHECKOUT / "ui",
    "slipway": _CHECKOUT / "slipway",
    "release": _CHECKOUT / "functions" / "release",
}
_CHAT_REPOSITORY = f"{STACK}-chat-page"
_AWS_START_S, _PAGE_START_S, _FIRST_ROLLOUT_S = 60.0, 60.0, 900.0
_STOP_GRACE_S = 20.0
_POLL_S = 0.1


class StepFailedError(SlipwayError):
    """A step of `local up` failed; everything is stopped and the message says where the log is."""

    exit_code = 1


@dataclass
class Run:
    """One run's parts, handed from step to step."""

    ports: Ports
    world: World
    screen: Screen
    environment: dict[str, str]

    @property
    def log(self) -> Path:
        return self.world.state_dir / "logs" / "local-aws.log"


@dataclass(frozen=True)
class Wishes:
    """How the embedded AWS shall be.

    Args:
        model: an artifact folder for the first release; the example model if None.
        time_scale: AWS seconds per real second.
        keep_state: the folder of a run that goes on, and whose state is kept at a clean end; None: nothing is kept.
        limits: `--quota` and `--capacity` of `python -m local`, word for word.
    """

    model: Path | None = None
    time_scale: float = 1.0
    keep_state: Path | None = None
    limits: tuple[str, ...] = ()

    def check(self, cache: Path) -> None:
        """Raises UsageError for a folder that is none, or that must not be kept."""
        if self.model is not None and not self.model.is_dir():
            raise UsageError(f"{self.model} is not a folder; give the folder that holds config.json")
        if self.keep_state is None:
            return
        if self.keep_state.exists() and not self.keep_state.is_dir():
            raise UsageError(f"{self.keep_state} is not a folder; give one whose state is to be kept")
        if self.keep_state.resolve().parent == cache.resolve():
            raise UsageError(f"{cache} is cleared after a crash; keep the state in a folder elsewhere")


def up(ports: Ports, wishes: Wishes, screen: Screen) -> None:
    """Start, release, print how to use it, and stay until SIGINT, SIGTERM or SIGHUP, which a closed terminal sends.

    Raises:
        UsageError: a port is taken, or a folder cannot be what it was given for.
        StepFailedError: see its docstring.
    """
    cache = default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    RunFile.read(cache, ports.aws)  # a run that was killed leaves its scratch folder behind
    ports.check_free()
    wishes.check(cache)
    _end_on(signal.SIGTERM, signal.SIGHUP)
    # From here on this process and its children know one AWS only; nothing can reach a real account by mistake.
    environment = without_aws(os.environ)
    environment.pop("PYTHONPATH", None)  # children run what was deployed, never the checkout beside it
    os.environ.clear()
    os.environ.update(environment | exports(ports.aws))
    try:
        with _run(ports, cache, screen, environment, wishes.keep_state) as run:
            _bring_up(run, wishes)
    except KeyboardInterrupt:
        screen.say("stopped; nothing is left running")


def _bring_up(run: Run, wishes: Wishes) -> None:
    screen = run.screen
    started = time.monotonic()
    with _step(run, "example model" if wishes.model is None else f"model in {wishes.model}"):
        artifact = wishes.model or _example_model(run)
    with _step(run, f"embedded AWS on {run.world.url}"):
        supervisor = _start_aws(run, wishes)
    with _step(run, "image of the chat page"):
        page = _push_chat_image(run)
    with _step(run, f"stack {STACK}"):
        outputs = deploy(run.world, _CHECKOUT / "template.yaml", STACK, {"ChatImageUri": page.uri})
    with _step(run, "inference image"):
        _push_inference_image(run, outputs["InferenceRepositoryUri"])
    slipway = Slipway(STACK)
    if slipway.endpoint(ENDPOINT).live_release_id:
        with _step(run, "release of the last run"):
            _wait_for_endpoint(slipway)
    else:
        _release(run, slipway, artifact)
    with _step(run, "chat page"):
        _wait_for_page(outputs["ChatUrl"], supervisor, run)
    screen.done("everything is up", time.monotonic() - started)
    screen.data(_welcome(run.ports, outputs))
    supervisor.wait()
    raise StepFailedError(f"the embedded AWS ended with code {supervisor.returncode}; {_kept_log(run)}")


def _example_model(run: Run) -> Path:
    """In a process of its own: the conversion's libraries and memory go with it."""
    done = subprocess.run(
        [sys.executable, "-m", "slipway.packaging.example_model"],
        cwd=_CHECKOUT,
        env=run.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    _append(run.log, done.stderr)
    if done.returncode != 0:
        raise StepFailedError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return Path(done.stdout.strip().splitlines()[-1])


def _start_aws(run: Run, wishes: Wishes) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-m", "local", "--port", str(run.ports.aws), "--ui-port", str(run.ports.ui)]
    argv += ["--time-scale", str(wishes.time_scale), "--state-dir", str(run.world.state_dir), *wishes.limits]
    argv += ["--keep-state"] if wishes.keep_state else []
    supervisor = run.world.processes.start(argv, env=run.environment, cwd=_CHECKOUT, log=run.log)
    ready = f"local AWS ready on {run.world.url}"
    deadline = time.monotonic() + _AWS_START_S
    while ready not in run.log.read_text(errors="replace"):
        if supervisor.poll() is not None:
            said = run.log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise StepFailedError(f"it ended with code {supervisor.returncode}: {said}")
        if time.monotonic() > deadline:
            raise StepFailedError(f"it was not ready after {_AWS_START_S:.0f} s")
        time.sleep(_POLL_S)
    return supervisor


def _push_chat_image(run: Run) -> BuiltImage:
    try:
        run.world.client("ecr").create_repository(repositoryName=_CHAT_REPOSITORY)
    except ClientError as error:
        if error_code(error) != "RepositoryAlreadyExistsException":  # as after a run whose state was kept
            raise
    store = ImageStore(run.world)
    image = store.build(_CHAT_REPOSITORY, _CHAT_CONTEXT, ["python", "-m", "ui"])
    store.push(image, _tag(image))
    return image


def _push_inference_image(run: Run, repository_uri: str) -> None:
    store = ImageStore(run.world)
    image = store.build(repository_uri.partition("/")[2], _INFERENCE_CONTEXT, ["python", "serve"])
    store.push(image, f"release-{_tag(image)}")


def _tag(image: BuiltImage) -> str:
    return image.digest.removeprefix("sha256:")[:12]


def _release(run: Run, slipway: Slipway, artifact: Path) -> None:
    prefix = f"models/{ENDPOINT}/{VERSION}/"
    with _failures(run, "upload"), run.screen.upload(f"upload of {artifact.name} to {prefix}") as on_progress:
        drop = slipway.push(artifact, ENDPOINT, VERSION, on_progress)
    with _step(run, "rollout of the drop"):
        rollout_id = slipway.rollout_of(drop)
    started = time.monotonic()
    with _failures(run, "first release"):
        last = run.screen.phases(slipway.watch(ENDPOINT, rollout_id, _FIRST_ROLLOUT_S))
        if last is None or last.phase != "live":
            raise StepFailedError(f"rollout {rollout_id} ended {last.phase}: {last.reason}" if last else "no phases")
    run.screen.done(f"release {rollout_id.rpartition('-')[0]} is live", time.monotonic() - started)


def _wait_for_endpoint(slipway: Slipway) -> None:
    """Instances are no state: a run that goes on starts its endpoint's fleet anew."""
    deadline = time.monotonic() + _FIRST_ROLLOUT_S
    while (fleets := slipway.fleets(ENDPOINT)) is None or fleets.status != "InService":
        if time.monotonic() > deadline:
            status = fleets.status if fleets else "gone"
            raise StepFailedError(f"endpoint {STACK}-{ENDPOINT} is {status} after {_FIRST_ROLLOUT_S:.0f} s")
        time.sleep(_POLL_S)


def _wait_for_page(url: str, supervisor: "subprocess.Popen[bytes]", run: Run) -> None:
    deadline = time.monotonic() + _PAGE_START_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2):  # noqa: S310 - http://127.0.0.1 by deploy's output
                return
        except OSError as error:
            if supervisor.poll() is not None or time.monotonic() > deadline:
                raise StepFailedError(
                    f"{url} did not answer within {_PAGE_START_S:.0f} s ({error}); is {run.ports.ui} still free?"
                ) from error
        time.sleep(_POLL_S)


@contextmanager
def _step(run: Run, title: str) -> Iterator[None]:
    with _failures(run, title), run.screen.step(title):
        yield


@contextmanager
def _failures(run: Run, title: str) -> Iterator[None]:
    try:
        yield
    except (SlipwayError, DeployError, ImageError, ClientError, BotoCoreError, OSError, KeyError) as error:
        reason = f"output {error} is missing" if isinstance(error, KeyError) else str(error)
        raise StepFailedError(f"failed at “{title}”: {reason}; {_kept_log(run)}") from error


def _kept_log(run: Run) -> str:
    """The scratch folder goes with the run; its logs stay until the next run on this port fails."""
    kept = default_cache() / f"logs-{run.ports.aws}"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(run.log.parent, kept, dirs_exist_ok=True)
    return f"the logs are in {kept}"


@contextmanager
def _run(
    ports: Ports, cache: Path, screen: Screen, environment: dict[str, str], keep_state: Path | None
) -> Iterator[Run]:
    """The scratch folder and every process in it, gone at the end whatever happens; a folder to keep stays."""
    state_dir = keep_state.resolve() if keep_state else Path(tempfile.mkdtemp(dir=cache, prefix=f"run-{ports.aws}-"))
    run = Run(ports, World(ports.aws, state_dir), screen, environment)
    run.log.parent.mkdir(parents=True, exist_ok=True)
    run.log.write_text("")  # a run that goes on must not take the last one's words for its own
    note = RunFile(os.getpid(), ports.aws, ports.ui, str(state_dir))
    note.write(cache)
    try:
        yield run
    finally:
        # A second Ctrl-C must not leave half of it running; the grace bounds the wait.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        run.world.processes.stop_all(_STOP_GRACE_S)
        if keep_state:
            _tell_of_lost_state(run)
        else:
            shutil.rmtree(state_dir, ignore_errors=True)
        note.remove(cache)


def _tell_of_lost_state(run: Run) -> None:
    """What could not be written down is gone, and nobody reads the log of a run that has ended."""
    last = run.log.read_text(errors="replace").strip().rpartition("\n")[2]
    if "state was not kept" in last:
        run.screen.error(last)


def _end_on(*numbers: signal.Signals) -> None:
    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    for number in numbers:
        ignored = signal.getsignal(number) is signal.SIG_IGN  # as nohup asks for
        if threading.current_thread() is threading.main_thread() and not ignored:
            signal.signal(number, end)


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _welcome(ports: Ports, outputs: dict[str, str]) -> str:
    aws = exports(ports.aws)
    moved = f"SLIPWAY_AWS_PORT={ports.aws} " if ports.aws != Ports.of_environment({}).aws else ""
    return f"""
Chat page      {outputs["ChatUrl"]}
AWS endpoint   {aws["AWS_ENDPOINT_URL"]}

In a second terminal, point any AWS client at it:

    eval "$({moved}.venv/bin/slipway local env)"

Ask with boto3:

    .venv/bin/python - <<'PYTHON'
    import boto3, json
    answer = boto3.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="{STACK}-{ENDPOINT}",
        ContentType="application/json",
        Body=json.dumps({{"messages": [{{"role": "user", "content": "What is the capital of France?"}}]}}),
    )
    print(json.load(answer["Body"])["choices"][0]["message"]["content"])
    PYTHON

Drop another artifact (any folder with config.json, tokenizer and safetensors):

    .venv/bin/slipway push FOLDER --version v2

Roll back to the release before:

    .venv/bin/slipway rollback {ENDPOINT}

Ctrl-C here stops everything.
"""
