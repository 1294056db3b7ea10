"""Whatever is wrong: one clear sentence on stderr, the right exit code, no data, and nothing half-done."""

import socket
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from tests.contract.slipway.conftest import Command, Stack

WHY = ("--reason", "because")
RELEASE, ROLLOUT = "3f2a91c07d4e", "3f2a91c07d4e-1"

WRONG_WORDS = [
    (["nonsense"], "No such command 'nonsense'"),
    (["releases", "show"], "Missing argument 'release'"),
    (["releases", "show", "xyz"], "'xyz' is not a release id, 12 hex digits; `slipway releases chat` lists them"),
    (["releases", "show", "3F2A91C07D4E"], "is not a release id"),
    (["releases", "diff", RELEASE, "v2"], "'v2' is not a release id"),
    (["releases", "watch", RELEASE], "'3f2a91c07d4e' is not a rollout id, a release id and a number"),
    (["watch", f"{RELEASE}-0"], "is not a rollout id"),
    (["releases", "Chat"], "the name 'Chat' must be lower-case"),
    (["releases", "a" * 21], "has 21 characters, the limit is 20"),
    (["releases", "--stack", "My_Stack"], "the name 'My_Stack' must be lower-case"),
    (["rollback", "--yes", "--to", "last"], "'last' is not a release id"),
    (["rollback", "--yes", "--at", "yesterday"], "'yesterday' is no time; write 2026-11-23T18:00:00Z"),
    (["rollback", "--yes", "--at", "2026-11-23T18:00:00"], "names no time zone; add Z for UTC"),
    (["rollback", "--yes", "--to", RELEASE, "--at", "2h"], "give one of --to and --at"),
    (["rollback"], "Nobody is here to answer; add --yes if it is meant"),
    (["pause"], "Missing option '--reason' / '-m'"),
    (["pause", "--reason", " "], "the reason has 0 characters"),
    (["pause", "--reason", "x" * 1001], "the reason has 1001 characters"),
    (["resume", *WHY, "--as", "two\nlines"], "cannot be who did it"),
    (["approve", *WHY, "--rollout", "1"], "'1' is not a rollout id"),
    (["abort", *WHY], "add --yes if it is meant"),
    (["freeze", *WHY, "--until", "soon"], "'soon' is no time"),
    (["freeze", "Chat!", *WHY], "the name 'Chat!' must be lower-case"),
    (["break-glass", "release-lease", *WHY], "This cannot be undone. Nobody is here to answer; add --yes"),
    (["break-glass", "adopt", *WHY], "add --yes if it is meant"),
    (["break-glass", "skip-gate", "examine", "--yes", *WHY], "'examine' is no gate that can be skipped"),
    (["explain", "nothing of ours"], "is no release id, rollout id, system_fingerprint"),
    (["explain", "release=;rollout="], "names no release"),
    (["logs", "--since", "2026-11-23"], "names no time zone"),
    (["logs", "--endpoint", "chat", "--rollout", ROLLOUT], "leave out --rollout and --function"),
    (["events", "replay", "1", "--drop", "models/chat/v1/manifest.json"], "not both"),
    (["events", "replay", "--drop", "models/chat/v1/config.json"], "seals nothing"),
    (["chat", "Hi", "--max-tokens", "0"], "Invalid value for '--max-tokens'"),
    (["chat", " "], "the question is empty"),
    (["chat", "Hi", "--endpoint", "No"], "the name 'No' must be lower-case"),
    (["local", "up", "--capacity", "ml.g5.4xlarge"], "--capacity is 'ml.g5.4xlarge', not NAME=NUMBER"),
    (["local", "up", "--quota", "=2"], "--quota is '=2', not NAME=NUMBER"),
    (["local", "up", "--time-scale", "0"], "Invalid value for '--time-scale'"),
    (["wake"], "Missing option '--reason' / '-m'"),
    (["remove", *WHY], "Nobody answers there until a release is brought back. Nobody is here to answer; add --yes"),
    (["remove", "Chat", "--yes", *WHY], "the name 'Chat' must be lower-case"),
    (["what-ran", "--at", "noon"], "'noon' is no time"),
    (["what-ran", "chat!"], "the name 'chat!' must be lower-case"),
    (["provenance"], "Missing argument 'release'"),
    (["provenance", "v1"], "'v1' is not a release id"),
    (["sweep"], "--dry-run only tells. Nobody is here to answer; add --yes"),
    (["sweep", "Chat", "--dry-run"], "the name 'Chat' must be lower-case"),
    (["sweep", "--yes", "--grace", "-1"], "Invalid value for '--grace'"),
    (["local", "reset"], "add --yes if it is meant"),
    (["local", "reset", "--yes", "--keep-state", "/nowhere"], "/nowhere holds no state"),
]
NOT_THERE = [
    (
        ["releases", "search"],
        5,
        "search has had no rollout (known endpoints: chat); `slipway push` starts the first one",
    ),
    (["releases", "show", "0" * 12], 5, "chat has no release 000000000000; `slipway releases chat` lists them"),
    (["releases", "diff", "0" * 12, "1" * 12], 5, "chat has no release 000000000000"),
    (["releases", "watch", f"{'0' * 12}-1"], 5, "chat has no rollout 000000000000-1"),
    (["watch", "--endpoint", "search"], 5, "search has had no rollout"),
    (["cost", "search"], 5, "search has had no rollout"),
    (["explain", "0" * 12], 5, "chat has no release 000000000000"),
    (["releases", "--stack", "other"], 5, "the stack other is not deployed here"),
    (["pause", *WHY, "--stack", "other"], 5, "the stack other is not deployed here"),
    (["rollback", "--yes"], 4, "chat was not rolled back: endpoint chat has had no release before this one"),
    (["pause", *WHY], 4, "chat: rollout 3f2a91c07d4e-1 is baking and cannot be paused; `slipway why chat`"),
    (["logs", "--endpoint", "search"], 5, "there is no log group /aws/sagemaker/Endpoints/slipway-search"),
    (["events", "replay", "nobody", "--yes"], 2, "no event nobody waits; `slipway events list`"),
    (["events", "replay", "--drop", "models/chat/v9/manifest.json"], 3, "models/chat/v9/manifest.json is not there"),
]
EVERYWHERE = [
    ["releases"],
    ["releases", "show", RELEASE],
    ["releases", "watch", ROLLOUT],
    ["rollback", "--yes"],
    ["abort", "--yes", *WHY],
    ["why"],
    ["cost"],
    ["explain", RELEASE],
    ["what-ran"],
    ["sweep", "--dry-run"],
    ["logs"],
    ["events", "list"],
    ["chat", "Hi"],
]


def one_sentence(text: str) -> str:
    """The last line; before it there may be how the command is used."""
    assert "Traceback" not in text
    last = text.rstrip("\n").splitlines()[-1]
    assert last.startswith(("slipway: ", "Error: ")), text
    return last


@pytest.mark.parametrize(("words", "sentence"), WRONG_WORDS, ids=lambda value: " ".join(value)[:60])
def test_wrong_words_are_refused_before_aws_is_asked(
    slipway: Command, stack: Stack, words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def call(_: BaseClient, operation: str, __: dict[str, Any]) -> dict[str, Any]:
        asked.append(operation)
        return {}

    # Who serves is looked up before the question whether to replace it; nothing else may be asked.
    monkeypatch.setattr(BaseClient, "_make_api_call", call)

    said = slipway(*words)

    assert (said.code, said.out) == (2, "")
    assert sentence in one_sentence(said.err)
    assert asked in ([], ["GetItem"])


@pytest.mark.parametrize(("words", "code", "sentence"), NOT_THERE, ids=lambda value: str(value)[:60])
def test_what_is_not_there_is_said_with_the_next_command(
    slipway: Command, stack: Stack, words: list[str], code: int, sentence: str
) -> None:
    before = stack.keys()

    said = slipway(*words)

    assert (said.code, said.out) == (code, ""), said.err
    assert sentence in one_sentence(said.err)
    assert stack.keys() == before


def refusing(code: str) -> Any:
    def call(_: BaseClient, operation: str, __: dict[str, Any]) -> Any:
        raise ClientError({"Error": {"Code": code, "Message": "as AWS puts it"}}, operation)

    return call


def silent(_: BaseClient, __: str, ___: dict[str, Any]) -> Any:
    raise EndpointConnectionError(endpoint_url="https://nowhere")


def unknown(_: BaseClient, __: str, ___: dict[str, Any]) -> Any:
    raise NoCredentialsError


DENIED = (refusing("AccessDeniedException"), "ask for that permission")
OTHERWISE = {
    "expired credentials": (refusing("ExpiredTokenException"), "log in again"),
    "throttled": (refusing("ThrottlingException"), "ThrottlingException"),
    "no credentials": (unknown, "no complete AWS credentials were found"),
    "network down": (silent, "check AWS_ENDPOINT_URL and the network"),
}


@pytest.mark.parametrize(
    ("words", "call", "sentence"),
    [
        *(pytest.param(words, *DENIED, id=f"no rights: {' '.join(words)}") for words in EVERYWHERE),
        *(pytest.param(EVERYWHERE[0], *how, id=f"{name}: read") for name, how in OTHERWISE.items()),
        *(pytest.param(EVERYWHERE[4], *how, id=f"{name}: change") for name, how in OTHERWISE.items()),
    ],
)
@pytest.mark.usefixtures("stack")
def test_aws_that_says_no_or_nothing_is_a_sentence(
    slipway: Command, monkeypatch: pytest.MonkeyPatch, words: list[str], call: Any, sentence: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", call)
        said = slipway(*words)

    assert said.out == ""
    assert said.code == 5
    assert sentence in one_sentence(said.err.split("✓")[0] or said.err)


_SINGLE_SIGN_ON = """
[profile ana]
sso_session = s
sso_account_id = 123456789012
sso_role_name = operator
[sso-session s]
sso_region = us-east-1
sso_start_url = https://example.com
"""
SETTINGS = {
    "no such profile": ({"AWS_PROFILE": "nobody"}, "", "The config profile (nobody) could not be found; mend"),
    "no region's name": ({"AWS_DEFAULT_REGION": "us east"}, "", "'us east' doesn't match a supported format; mend"),
    "no address": ({"AWS_ENDPOINT_URL": "localhost"}, "", "Invalid endpoint: localhost; set AWS_ENDPOINT_URL to http"),
    "no way to retry": ({"AWS_RETRY_MODE": "often"}, "", "AWS settings of this machine cannot be used"),
    "a damaged file": ({}, "[profile\n", "Unable to parse config file"),
    "a login that ended": (
        {"AWS_PROFILE": "ana"},
        _SINGLE_SIGN_ON,
        "Token for s does not exist; mend AWS_PROFILE, its file or the AWS_… variable, or log in again",
    ),
    "a program that gives no keys": (
        {"AWS_PROFILE": "ana"},
        "[profile ana]\ncredential_process = /bin/false\n",
        "Error when retrieving credentials from custom-process; mend",
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_aws_settings_that_cannot_be_used_are_a_sentence(
    slipway: Command, stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variables, profile, sentence = SETTINGS[name]
    (tmp_path / "config").write_text(profile, encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    if "AWS_PROFILE" in variables:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)

    said = slipway("releases")

    assert (said.code, said.out) == (5, "")
    assert sentence in one_sentence(said.err)


CONFIGS = {
    "no file": (None, "cannot be read as JSON"),
    "no JSON": ("{", "cannot be read as JSON"),
    "a list": ("[]", "is not a JSON object; write {} for the defaults"),
    "a name that no setting has": ('{"preflite": true}', "preflite: Extra inputs are not permitted"),
    "a number out of range": ('{"bakeSeconds": 3601}', "bakeSeconds: Input should be less than or equal to 3600"),
    "text for a number": ('{"instanceCount": "2"}', "instanceCount: Input should be a valid integer"),
    "a variable that no release may set": ('{"environment": {"LD_PRELOAD": "x"}}', "LD_PRELOAD"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_no_release_can_have_is_refused_before_a_byte_is_sent(
    slipway: Command, stack: Stack, name: str, tmp_path: Path
) -> None:
    text, sentence = CONFIGS[name]
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact/config.json").write_text("{}", encoding="utf-8")
    if text is not None:
        (tmp_path / "settings.json").write_text(text, encoding="utf-8")
    before = stack.keys()

    said = slipway("push", str(tmp_path / "artifact"), "--version", "v7", "--config", str(tmp_path / "settings.json"))

    assert (said.code, said.out) == (2, "")
    assert sentence in one_sentence(said.err)
    assert stack.keys() == before


@pytest.mark.parametrize("words", [["down"], ["status"], ["fault", "list"]], ids=" ".join)
def test_no_local_aws_is_told_as_such(
    slipway: Command, stack: Stack, words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("SLIPWAY_CACHE", str(tmp_path))
    monkeypatch.setenv("SLIPWAY_AWS_PORT", str(port))

    said = slipway("local", *words)

    assert said.out == ""
    assert str(port) in said.err
    assert said.code == {"down": 0, "status": 3, "fault": 5}[words[0]]


def test_the_local_aws_on_no_port_is_refused(slipway: Command, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_AWS_PORT", "70000")

    said = slipway("local", "status")

    assert (said.code, said.out) == (2, "")
    assert "SLIPWAY_AWS_PORT is '70000', not a port" in one_sentence(said.err)
