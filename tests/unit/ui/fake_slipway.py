"""Slipway as the pages see it: what the contracts' own examples say of an endpoint, and a list of what was asked."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from release.domain.names import Names
from slipway.chat_stream import ChatStream
from slipway.errors import OperationRefusedError, ReleaseNotFoundError
from slipway.evidence import AlarmState, GateEvidence, gate_evidence
from slipway.feedback import Opinion, Tally, Vote, feedback_item, tally
from slipway.fleets import Fleet, Fleets
from slipway.money import Bill, EndpointCost
from slipway.operations import Operated
from slipway.progress import RolloutView, view_of
from slipway.records import EndpointState, Release, Rollout

EVENTS = Path(__file__).parents[3] / "events"
NAMES = Names("slipway", "chat")


def example(name: str, folder: Path = EVENTS / "table") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.example.json").read_text(encoding="utf-8"))
    return found


def fleet(rollout_id: str, status: str = "") -> Fleet:
    return Fleet(NAMES.of_rollout(rollout_id), 1, 1, {"ml.g5.4xlarge": 1}, "sha256:" + "0" * 64, status, None)


class FakeSlipway:
    """A rollout is in its bake: green stands beside blue, and its preflight has left evidence."""

    def __init__(self) -> None:
        self.item = example("rollout.judged") | {"phase": "baking", "reason": "all traffic is on green"}
        at_rest = EndpointState.of_item(example("endpoint"))
        self.state = replace(at_rest, frozen=None, live_release_id="a47c0b1e88d2", last_good_release_id="a47c0b1e88d2")
        self.blue, self.green = fleet("a47c0b1e88d2-1"), fleet("3f2a91c07d4e-1", "Baking")
        self.answers: list[ChatStream] = []
        self.acted: list[tuple[str, str, str]] = []
        self.votes: dict[str, dict[str, str]] = {}
        self.refusal = ""
        self.asked: list[Any] = []

    def chat(self, *asked: Any) -> ChatStream:
        self.asked.append(asked)
        return self.answers.pop(0)

    def endpoint(self, _: str, /) -> EndpointState:
        return self.state

    def fleets(self, _: str, /) -> Fleets | None:
        return Fleets("slipway-chat", "Updating" if self.green else "InService", "", self.blue, self.green)

    def releases(self, _: str, /) -> list[Release]:
        return [Release.of_item(example("release"))]

    def release(self, endpoint: str, release_id: str, /) -> Release:
        found = self.releases(endpoint)[0]
        if release_id != found.release_id:
            raise ReleaseNotFoundError(
                f"{endpoint} has no release {release_id}; `slipway releases {endpoint}` lists them"
            )
        return found

    def rollouts(self, _: str, /) -> list[Rollout]:
        return [Rollout.of_item(self.item)]

    def view(self, endpoint: str, _: str, /) -> RolloutView:
        rollout, fleets = self.rollouts(endpoint)[0], self.fleets(endpoint)
        return view_of(rollout, self.releases(endpoint)[0], fleets, NAMES, datetime(2026, 11, 23, 12, 20, tzinfo=UTC))

    def gate_evidence(self, *_: str) -> tuple[GateEvidence, ...]:
        return gate_evidence(self.item)

    def alarms(self, _: str, rollout_id: str, /) -> tuple[AlarmState, ...]:
        return tuple(
            AlarmState(name, name.removeprefix(f"{NAMES.of_rollout(rollout_id)}-"), "OK", "")
            for name in NAMES.alarms(rollout_id)
        )

    def feedback(self, _: str, /) -> dict[str, Tally]:
        of: dict[str, list[dict[str, str]]] = {}
        for item in self.votes.values():
            of.setdefault(item["releaseId"], []).append(item)
        return {release_id: tally(release_id, items) for release_id, items in of.items()}

    def judge_answer(self, endpoint: str, vote: Vote, /) -> None:
        item = feedback_item(endpoint, vote)
        self.votes[item["sk"]] = item

    def judged(self, release_id: str, opinion: Opinion, times: int) -> None:
        for number in range(times):
            self.judge_answer("chat", Vote(release_id, f"{opinion}{number:0>30}"[-32:].replace("u", "0"), opinion))

    def cost(self, endpoint: str, /) -> EndpointCost:
        bill = Bill({"ml.g5.4xlarge": 1}, Decimal("2.03"), Decimal("1481.90"))
        return EndpointCost(endpoint, "", bill, bill, None, None, "2026-11-23", "us-east-1", "")

    def ledger(self, _: str, /) -> list[dict[str, Any]]:
        return [example("ledger"), example("ledger.drift")]

    def provenance(self, endpoint: str, release: str, /) -> Operated:
        self.release(endpoint, release)
        answer = example("operate-output.provenance", EVENTS / "release")
        return Operated("provenance", endpoint, answer["sentence"], "arn", provenance=answer["provenance"])

    def why(self, endpoint: str, /) -> Operated:
        return Operated("why", endpoint, "3f2a91c07d4e-1 bakes; 240 s are left", "arn")

    def rollback(self, _: str, /) -> str:
        self.acted.append(("rollback", "", ""))
        return "a47c0b1e88d2-2"

    def pause(self, endpoint: str, /, *, reason: str, actor: str) -> Operated:
        return self._act("pause", endpoint, reason, actor)

    def resume(self, endpoint: str, /, *, reason: str, actor: str) -> Operated:
        return self._act("resume", endpoint, reason, actor)

    def approve(self, endpoint: str, /, *, reason: str, actor: str) -> Operated:
        return self._act("approve", endpoint, reason, actor)

    def abort(self, endpoint: str, /, *, reason: str, actor: str) -> Operated:
        return self._act("abort", endpoint, reason, actor)

    def freeze(self, endpoint: str, /, *, reason: str, actor: str) -> Operated:
        return self._act("freeze", endpoint, reason, actor)

    def unfreeze(self, endpoint: str, /, *, reason: str, actor: str) -> Operated:
        return self._act("unfreeze", endpoint, reason, actor)

    def _act(self, verb: str, endpoint: str, reason: str, actor: str) -> Operated:
        if self.refusal:
            raise OperationRefusedError(self.refusal)
        self.acted.append((verb, reason, actor))
        return Operated(verb, endpoint, f"{verb} is done", "arn")
