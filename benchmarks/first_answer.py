"""From nothing to a first answer: a fresh clone, `make run`, one question in the chat page; then the folder again.

It needs Debian's Chromium. The package cache stays as it is (warm); environment, clone and converted model are new.
"""

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
DEADLINE_S = 600
QUESTION = "What is the capital of France?"
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_up(aws_port: int, ui_port: int) -> bool:
    """True once the page is there and the endpoint serves, which is when a person begins to type."""
    session: Any = boto3.session.Session()
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
    try:
        with urlopen(f"http://127.0.0.1:{ui_port}/healthz", timeout=2):
            sagemaker = session.client("sagemaker", endpoint_url=f"http://127.0.0.1:{aws_port}", **keys)
            endpoint = sagemaker.describe_endpoint(EndpointName="slipway-chat")
        return bool(endpoint["EndpointStatus"] == "InService")
    except (OSError, BotoCoreError, ClientError):
        return False


def ask_in_the_page(url: str) -> None:
    """Type the question and read the answer to its end.

    Raises:
        AssertionError: no answer that says Paris within a minute.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        page = browser.new_page()
        page.goto(url)
        page.get_by_test_id("textbox").fill(QUESTION)
        page.keyboard.press("Enter")
        answer = page.locator(".bot.message").first
        expect(answer).to_contain_text("tokens/s", timeout=60_000)
        expect(answer).to_contain_text("Paris")
        browser.close()


def run_once(folder: Path, cache: Path) -> float:
    """Seconds from `make run` to the first answer; the run is ended by Ctrl-C afterwards.

    Raises:
        RuntimeError: it ended by itself, or gave no answer within DEADLINE_S.
    """
    aws_port, ui_port = free_port(), free_port()
    ports = {"SLIPWAY_AWS_PORT": str(aws_port), "SLIPWAY_UI_PORT": str(ui_port), "SLIPWAY_CACHE": str(cache)}
    began = time.monotonic()
    run = subprocess.Popen(["make", "run"], cwd=folder, env=os.environ | ports, start_new_session=True)
    try:
        while not is_up(aws_port, ui_port):
            if run.poll() is not None or time.monotonic() - began > DEADLINE_S:
                raise RuntimeError(f"no answer after {time.monotonic() - began:.0f} s; make run: {run.returncode}")
            time.sleep(0.5)
        ask_in_the_page(f"http://127.0.0.1:{ui_port}")
        return time.monotonic() - began
    finally:
        os.killpg(run.pid, signal.SIGINT)
        run.wait(60)


def keep(claim: str, seconds: float, limit_s: int) -> None:
    hardware = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    result = {
        "how": "measured",
        "value": f"{seconds:.0f} s (limit {limit_s} s)",
        "hardware": hardware,
        "versions": f"Python {platform.python_version()}, commit {commit()}",
        "command": "make bench",
        "date": datetime.now(UTC).date().isoformat(),
    }
    (RESULTS / f"{claim}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{claim}: {result['value']} on {hardware}")


def commit() -> str:
    shown = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return shown.stdout.strip()


def main() -> None:
    if not Path(CHROMIUM).exists():
        sys.exit(f"{CHROMIUM} is not there, and the answer is read in the page; install the package chromium")
    folder = Path(tempfile.mkdtemp(prefix="slipway-first-answer-"))
    try:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "slipway")], check=True)
        keep("first-answer", run_once(folder / "slipway", folder / "cache"), 180)
        keep("second-run", run_once(folder / "slipway", folder / "cache"), 30)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
