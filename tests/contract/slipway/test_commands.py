"""What each command asks of AWS, and what it prints: for a person, and for a program."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from release.contracts.machines import OperateInput
from release.contracts.sweep import SweepReport, Swept
from slipway.operations import Operated, Operations
from tests.contract.slipway.conftest import (
    BUCKET,
    EVENTS,
    REFUSAL,
    REPORT,
    SWEPT,
    TABLE,
    Command,
    Stack,
    example,
    trusting,
)


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((EVENTS / f"cli/{name}.schema.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["resume"], {"verb": "resume"}),
        (["approve", "--rollout", "3f2a91c07d4e-1"], {"verb": "approve", "rollout": "3f2a91c07d4e-1"}),
        (["abort", "--yes"], {"verb": "abort"}),
        (["freeze", "--until", "2027-01-02T00:00:00+01:00"], {"verb": "freeze", "until": "2027-01-01T23:00:00.000Z"}),
        (["unfreeze"], {"verb": "unfreeze"}),
        (["wake"], {"verb": "wake"}),
        (["remove", "--yes"], {"verb": "remove"}),
        (["break-glass", "release-lease", "--yes"], {"verb": "release-lease"}),
        (["break-glass", "adopt", "--yes"], {"verb": "adopt"}),
        (["break-glass", "skip-gate", "bake", "--yes"], {"verb": "skip-gate", "gate": "bake"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_verb_starts_the_execution_that_the_console_would(
    slipway: Command, stack: Stack, words: list[str], asked: dict[str, Any]
) -> None:
    said = slipway(*words, "--reason", "because", "--json")

    assert said.code == 0, said.err
    sent = stack.asked()[0]
    assert sent == {"endpoint": "chat", "reason": "because", "actor": "ana@example.com", **asked}
    OperateInput.parse(sent)
    schema("deed").validate(said.json)
    assert said.json["done"]["sentence"] == f"{asked['verb']} of chat is done"


def test_what_was_done_is_data_and_how_to_undo_it_is_a_message(slipway: Command, stack: Stack) -> None:
    said = slipway("freeze", "--reason", "year-end")

    assert said.out == "freeze of chat is done\n"
    assert said.err == "to undo this: slipway unfreeze chat --reason …\n"
    aborted = slipway("abort", "--reason", "wrong language", "--yes")
    assert aborted.err == "to undo this: slipway rollback chat --to 3f2a91c07d4e\n"


def test_a_refusal_is_its_sentence_and_the_next_command(slipway: Command, stack: Stack) -> None:
    said = slipway("pause", "--reason", "wait")

    assert (said.code, said.out) == (4, "")
    assert said.err == f"slipway: chat: {REFUSAL}; `slipway why chat` tells where it stands\n"


def test_why_shows_everything_that_the_machine_told(slipway: Command, stack: Stack) -> None:
    said = slipway("why")

    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].startswith("endpoint chat serves release 0d4f1c2b3a49")
    assert "lease           3f2a91c07d4e-1, until 2026-11-23T12:15:00.000Z unless it writes" in lines
    assert "alarm guard     OK  slipway-chat-3f2a91c07d4e-1-guard" in lines
    assert "  abort      ben, 2026-11-23T12:00:00Z: answers in the wrong language" in lines
    schema("operated").validate(slipway("why", "--json").json)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["what-ran"], {"verb": "what-ran"}),
        (["what-ran", "--at", "2026-11-23T13:00:00+01:00"], {"verb": "what-ran", "asOf": "2026-11-23T12:00:00.000Z"}),
        (["provenance", "3f2a91c07d4e"], {"verb": "provenance", "release": "3f2a91c07d4e"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_question_about_the_past_is_answered_by_the_stack(
    slipway: Command, stack: Stack, words: list[str], asked: dict[str, Any]
) -> None:
    said = slipway(*words, "--json")

    assert said.code == 0, said.err
    assert stack.asked()[0] == {"endpoint": "chat", **asked}
    OperateInput.parse(stack.asked()[0])
    schema("operated").validate(said.json)
    told = example(f"release/operate-output.{asked['verb']}")
    assert {name: said.json[name] for name in ("ran", "provenance")} == {"ran": None, "provenance": None} | {
        name: told[name] for name in ("ran", "provenance") if name in told
    }


def test_a_release_whose_bytes_changed_fails_the_question_where_it_comes_from(
    slipway: Command, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = example("release/operate-output.provenance")["provenance"]
    changed = told | {"problems": ["model.safetensors has 7 bytes, its manifest says 8"]}
    answer = Operated("provenance", "chat", "a sentence", "arn", provenance=changed)
    monkeypatch.setattr(Operations, "operate", lambda *_: answer)

    said = slipway("provenance", "3f2a91c07d4e")

    assert said.code == 1
    assert "problem  model.safetensors has 7 bytes, its manifest says 8" in said.out


def test_a_sweep_tells_every_finding(slipway: Command, stack: Stack) -> None:
    SweepReport.parse(REPORT)
    Swept.parse(SWEPT)

    said = slipway("sweep", "chat", "--dry-run", "--grace", "86400", "--reason", "what would go?")

    assert said.code == 0, said.err
    assert stack.asked()[0] == example("release/sweep-input.by-hand")
    head, _, *lines = said.out.splitlines()
    assert head == REPORT["sentence"]
    assert [line.split("  ")[0] for line in lines] == ["ENDPOINT", *["chat"] * 5]
    assert "and 2 more" in said.out, "of three things the machine names one"
    schema("swept").validate(slipway("sweep", "--dry-run", "--json").json)
    assert stack.asked()[0] == {"dryRun": True}


def test_releases_are_listed_with_what_serves(slipway: Command, stack: Stack) -> None:
    head, newest, older = slipway("releases").out.splitlines()

    assert head.split()[:2] == ["RELEASE", "STATE"]
    assert newest.split()[:2] == [stack.live, "live"]
    assert older.split()[0] == stack.older
    assert slipway("releases", "chat").out == slipway("releases", "list", "chat").out
    answer = slipway("releases", "--json").json
    schema("release-list").validate(answer)
    assert [one["release"]["releaseId"] for one in answer["releases"]] == [stack.live, stack.older]


def test_one_release_is_shown_whole(slipway: Command, stack: Stack) -> None:
    said = slipway("releases", "show", stack.live)

    assert f"image      {stack.image}" in said.out
    assert "costs      2 of ml.g4dn.xlarge: $1.48 an hour" in said.out, "the list's price of one is $0.7364"
    assert f"{stack.live}-1  drop  live" in said.out
    schema("shown-release").validate(slipway("releases", "show", stack.live, "--json").json)


def test_a_diff_says_what_changed_and_what_it_costs_more(slipway: Command, stack: Stack) -> None:
    said = slipway("releases", "diff")

    assert said.out.splitlines()[0] == f"{stack.older} → {stack.live}"
    assert "config instanceCount  1       2" in said.out
    assert "$0.74 more an hour for a first fleet" in said.out
    answer = slipway("releases", "diff", stack.live, stack.older, "--json").json
    schema("release-diff").validate(answer)
    assert (answer["hourDollarsMore"], answer["artifact"], answer["files"]) == ("-0.74", [], [])


def test_a_rollout_that_has_ended_is_told_phase_by_phase(slipway: Command, stack: Stack) -> None:
    said = slipway("releases", "watch", f"{stack.live}-1")

    assert (said.code, said.out) == (0, f"{stack.live}-1\n")
    assert [line.split()[0] for line in said.err.splitlines()][-2:] == ["baking", "live"]
    lines = slipway("watch", f"{stack.live}-1", "--json").out.splitlines()
    for line in lines:
        schema("watched-phase").validate(json.loads(line))
    assert len(lines) == 7


def test_the_cost_is_that_of_what_runs(slipway: Command, stack: Stack) -> None:
    said = slipway("cost")

    assert "now       2 of ml.g4dn.xlarge: $1.48 an hour, $1,075.15 a month" in said.out, "730 hours at 2 x $0.7364"
    assert "at most   5 of ml.g4dn.xlarge: $3.69 an hour" in said.out
    schema("endpoint-cost").validate(slipway("cost", "--json").json)


@pytest.fixture
def what(request: pytest.FixtureRequest, stack: Stack) -> str:
    return str(request.param).replace("RELEASE", stack.live)


@pytest.mark.parametrize(
    "what",
    ["RELEASE", "RELEASE-1", "RELEASE-0b1c2d3e4f50", "release=RELEASE;rollout=RELEASE-1;fingerprint=0b1c2d3e4f50"],
    indirect=True,
)
@pytest.mark.parametrize("every_byte", [(), ("--bytes",)], ids=["checksums", "bytes"])
def test_an_answer_is_followed_to_its_bytes(
    slipway: Command, stack: Stack, what: str, every_byte: tuple[str, ...]
) -> None:
    said = slipway("explain", what, "--json", *every_byte)

    schema("explanation").validate(said.json)
    links = {link["name"]: link["verdict"] for link in said.json["links"]}
    assert links.pop("endpoint") == "unknown", "moto resolves no image of an endpoint, and silence proves nothing"
    assert links == dict.fromkeys(["release", "artifact", "bytes", "image", "model", "ledger"], "verified")
    assert said.code == 0


@pytest.mark.parametrize("every_byte", [(), ("--bytes",)], ids=["checksums", "bytes"])
def test_a_changed_byte_is_found(slipway: Command, stack: Stack, every_byte: tuple[str, ...]) -> None:
    s3 = stack.client("s3")
    [key] = [key for key in sorted(stack.keys()) if key.endswith("model.safetensors") and key.startswith("published/")]
    body = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"\xff" + body[1:], ChecksumAlgorithm="SHA256")
    try:
        said = slipway("explain", stack.live, "--json", *every_byte)
    finally:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body, ChecksumAlgorithm="SHA256")

    [link] = [link for link in said.json["links"] if link["name"] == "bytes"]
    assert (said.code, link["verdict"]) == (1, "broken")
    assert link["says"].startswith("model.safetensors")


def test_a_changed_line_of_the_ledger_is_found(slipway: Command, stack: Stack) -> None:
    table, key = stack.client("dynamodb"), {"pk": {"S": "endpoint#chat"}, "sk": {"S": "ledger#000000000001"}}
    line = table.get_item(TableName=TABLE, Key=key)["Item"]
    table.put_item(TableName=TABLE, Item=line | {"actor": {"S": "somebody else"}})
    try:
        said = slipway("explain", stack.live)
    finally:
        table.put_item(TableName=TABLE, Item=line)

    assert "broken    ledger    line 1 was changed after it was written" in said.out


def test_a_release_that_does_not_hash_to_its_id_is_found(slipway: Command, stack: Stack) -> None:
    item = stack.client("dynamodb").get_item(
        TableName=TABLE, Key={"pk": {"S": "endpoint#chat"}, "sk": {"S": f"release#{stack.older}"}}
    )["Item"]
    forged = item | {"image": {"S": stack.image.replace("slipway-inference", "another")}}
    stack.client("dynamodb").put_item(TableName=TABLE, Item=forged)
    try:
        said = slipway("explain", stack.older)
    finally:
        stack.client("dynamodb").put_item(TableName=TABLE, Item=item)

    assert "broken    release   its four parts make" in said.out


@pytest.mark.usefixtures("quota_of_one")
def test_the_doctor_tells_what_is_well_and_what_is_not(slipway: Command, stack: Stack) -> None:
    said = slipway("doctor", "--json")

    schema("diagnosis").validate(said.json)
    health = {check["name"]: check["health"] for check in said.json["checks"]}
    assert health["quota"] == "warning", "one instance is enough for a first release, and too few beside another"
    assert (
        health["credentials"]
        == health["stack"]
        == health["machines"]
        == health["roles"]
        == health["table"]
        == health["image"]
        == "ok"
    )
    assert health["bucket"] == "failed", "moto leaves out that the bucket tells EventBridge"
    assert (health["budget"], health["notifications"], health["driver"]) == ("warning", "warning", "unknown")
    assert (said.code, said.json["well"]) == (1, False)
    assert "→ set policy.budget in /slipway/endpoints/chat" in slipway("doctor").out


@pytest.mark.usefixtures("quota_of_one")
def test_the_doctor_finds_a_role_that_sagemaker_may_not_use_and_one_that_is_gone(
    slipway: Command, stack: Stack
) -> None:
    iam = stack.client("iam")
    iam.update_assume_role_policy(RoleName="execution", PolicyDocument=json.dumps(trusting("lambda")))
    iam.delete_role(RoleName="any")
    try:
        said = slipway("doctor").out
    finally:
        iam.create_role(RoleName="any", AssumeRolePolicyDocument=json.dumps(trusting("states")))
        iam.update_assume_role_policy(RoleName="execution", PolicyDocument=json.dumps(trusting("sagemaker")))

    [roles] = [line for line in said.splitlines() if "roles" in line]
    assert roles.startswith("✗ failed   roles")
    assert "the role any is gone; the role execution does not trust sagemaker.amazonaws.com" in roles


def test_an_undelivered_event_is_listed_and_stays_until_it_is_replayed(slipway: Command, stack: Stack) -> None:
    sqs = stack.client("sqs")
    queue = sqs.get_queue_url(QueueName="slipway-undelivered-events")["QueueUrl"]
    event = (EVENTS / "aws/s3-object-created.example.json").read_text(encoding="utf-8")
    # As EventBridge writes it; source: "Using dead-letter queues" in the EventBridge User Guide.
    told = {
        "TARGET_ARN": "arn:aws:lambda:us-east-1:123456789012:function:slipway-receive-artifact",
        "ERROR_CODE": "THROTTLING",
        "ERROR_MESSAGE": "Rate exceeded",
    }
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}
    sent = sqs.send_message(QueueUrl=queue, MessageBody=event, MessageAttributes=attributes)["MessageId"]

    first, second = slipway("events", "list"), slipway("events", "list", "--json")

    assert f"{sent}  " in first.out
    assert first.out.rstrip().endswith("slipway-receive-artifact  models/chat/v1/manifest.json  Rate exceeded")
    schema("waiting-events").validate(second.json)
    assert [one["messageId"] for one in second.json["events"]] == [sent]
    refused = slipway("events", "replay", sent, "--yes")
    assert refused.code == 5, "moto has no such function"
    sqs.purge_queue(QueueUrl=queue)


def test_a_question_declined_does_nothing(slipway: Command, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(stack.asked())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)

    said = slipway("abort", "--reason", "why not")

    assert (said.code, said.out, said.err) == (4, "", "slipway: nothing was done\n")
    assert len(stack.asked()) == before
