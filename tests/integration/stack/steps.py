"""Stands in for every function of the machines: answers as the execution's script says.

The script comes in as the execution's `script` and travels as the rollout's id, because that is the one word that every
step is sent. It runs as a Lambda function of its own per step; what a step is comes from the environment.
"""

import json
import os
from pathlib import Path
from typing import Any

import boto3

ANSWERS: dict[str, dict[str, Any]] = {
    "register_rollout": {
        "endpoint": "chat",
        "releaseId": "3f2a91c07d4e",
        "examined": False,
        "published": False,
        "planOnly": False,
    },
    "examine_artifact": {"verdict": "passed", "reason": "it keeps every rule"},
    "publish_artifact": {"artifactId": "6b3a", "files": 4},
    "plan_rollout": {"strategy": "allAtOnce", "fleetSize": 1, "bakeSeconds": 5, "alreadyLive": False},
    "await_turn": {"leaseToken": 7},
    "create_green": {"endpointConfigName": "slipway-chat-3f2a91c07d4e-1"},
    "start_preflight": {"progress": "preflightPassed", "reason": "there is none", "pollSeconds": 1},
    "await_approval": {},
    "shift_traffic": {"progress": "moving", "reason": "SageMaker accepted it", "pollSeconds": 1},
    "watch_endpoint": {"progress": "arrived", "reason": "InService", "pollSeconds": 1},
    "verify_release": {"verdict": "passed", "reason": "it answers with its id"},
    "settle_rollout": {},
    "choose_release": {"endpoint": "chat", "releaseId": "3f2a91c07d4e"},
    "start_rollout": {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:slipway-release:x",
        "pollSeconds": 1,
    },
    "operate_endpoint": {"verb": "why", "endpoint": "chat", "sentence": "endpoint chat serves"},
    "find_sweep_work": {"dryRun": False, "graceSeconds": 604800},
    "sweep_endpoint": {"settled": []},
    "report_sweep": {"sentence": "swept 1 endpoints"},
    "follow_rollout": {"phase": "live", "ended": True, "live": True, "reason": "it serves", "pollSeconds": 1},
}


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    step = os.environ["STEP"]
    script_id = script_of(event)
    folder = Path(os.environ["SCRIPTS"]) / script_id
    turns: list[dict[str, Any]] = json.loads((folder / "script.json").read_text()).get(step, [{}])
    calls = folder / f"{step}.calls"
    with calls.open("a") as log:
        log.write(json.dumps(event) + "\n")
    turn = turns[min(len(calls.read_text().splitlines()), len(turns)) - 1]
    if "raise" in turn:
        raise type(turn["raise"], (Exception,), {})(turn["message"])
    answer = ANSWERS[step] | turn
    if step == "settle_rollout":
        live = event["outcome"] == "live"
        ended = {"phase": "live", "error": ""} if live else {"phase": "failed", "error": "RolloutFailed"}
        answer = {**ended, "well": live, "reason": "settled", "plan": {}} | turn
    if step == "find_sweep_work":
        answer["endpoints"] = [script_id]
    if step == "sweep_endpoint":
        answer["endpoint"] = event["endpoint"]
    if step in {"register_rollout", "choose_release"}:
        answer["rolloutId"] = script_id
    if "taskToken" in event and answer.pop("wakes", True):
        return wake(event["taskToken"], answer)
    return answer


def script_of(event: dict[str, Any]) -> str:
    """The sweep's steps know endpoints only, so the one that the script finds is called after the script."""
    if "results" in event:
        return script_of(event["results"][0])
    if "rolloutId" in event or "input" in event:
        return str(event["rolloutId"] if "rolloutId" in event else event["input"]["rolloutId"])
    return str(event["endpoint"])


def wake(token: str, answer: dict[str, Any]) -> dict[str, Any]:
    """A token is answered by whoever knows the answer; here the step itself does, unless the script says not to."""
    boto3.client("stepfunctions").send_task_success(taskToken=token, output=json.dumps(answer))
    return {"waiting": False}
