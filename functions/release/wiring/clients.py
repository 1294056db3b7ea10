"""What everything else is built of: the clock, the stack's name, AWS's clients."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

# The machines retry whole steps; a client's own patience only bridges a hiccup. The read time-out fits an answer of the
# endpoint, which SageMaker ends after 60 s.
CLIENT = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=65)
# A second try of an answer that took too long would outlast the function that asks.
RUNTIME = CLIENT.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


def now() -> datetime:
    return datetime.now(UTC)


def stack() -> str:
    return os.environ["STACK_NAME"]


@cache
def client(service: str) -> Any:
    return boto3.client(service, config=CLIENT)  # type: ignore[call-overload]  # the stubs want a literal


@cache
def runtime_client() -> Any:
    return boto3.client("sagemaker-runtime", config=RUNTIME)
