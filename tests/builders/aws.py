"""Clients whose answers the test records beforehand."""

from typing import Any

import boto3
from botocore.stub import Stubber


def stubbed(service: str) -> tuple[Any, Stubber]:
    """A client and the stub that answers for it, in the order of the answers that the test adds."""
    # An address where nobody listens: a call that the stub does not answer goes nowhere.
    client = boto3.client(service, region_name="us-east-1", endpoint_url="http://127.0.0.1:9")  # type: ignore[call-overload]
    stub = Stubber(client)
    stub.activate()
    return client, stub
