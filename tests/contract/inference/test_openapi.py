"""The OpenAPI document that the server hands out is the one that its routes make."""

import json
import subprocess
import sys
from pathlib import Path

IMAGE = Path(__file__).parents[3] / "inference_image"


def test_the_committed_document_is_current() -> None:
    # A process of its own, because sanic-ext would extend every application of this one.
    checked = subprocess.run([sys.executable, "openapi.py", "--check"], cwd=IMAGE, capture_output=True, check=False)

    assert checked.returncode == 0, f"run python inference_image/openapi.py: {checked.stderr.decode()[-500:]}"


def test_it_names_every_route_and_holds_the_schemas_of_the_contract() -> None:
    paths = json.loads((IMAGE / "server" / "openapi.json").read_text())["paths"]
    chat = paths["/v1/chat/completions"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    assert "messages" in json.dumps(chat)
    assert {"/ping", "/invocations", "/metrics", "/v1/models", "/tokenize", "/adapters"} <= paths.keys()
