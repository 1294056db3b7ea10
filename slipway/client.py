"""The typed client: everything that a person, the command line or the chat page does with Slipway."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import boto3

from release.domain.identity import seal_digest
from release.domain.keys import MANIFEST, NotADrop, sealed_drop
from slipway.aws import Aws
from slipway.aws_errors import translated
from slipway.chat_stream import ChatStream, open_chat
from slipway.comparing import ReleaseDiff, compare, published_manifest
from slipway.doctor import Check, Doctor
from slipway.errors import (
    DropNotSeenError,
    EndpointUnknownError,
    ImageMissingError,
    ReleaseNotFoundError,
    RollbackRefusedError,
    RolloutNotFoundError,
    RolloutTimeoutError,
    UsageError,
)
from slipway.evidence import AlarmState, GateEvidence, alarms_of, gate_evidence
from slipway.feedback import Tally, Vote, feedback_item, tallies
from slipway.fleets import Fleets, fleets_of
from slipway.logs import LogLine, Question, read
from slipway.money import Bill, EndpointCost, bill_of, bill_of_config, billed_now, prices_of
from slipway.operations import Operations, OperatorVerbs
from slipway.progress import RolloutView, view_of
from slipway.provenance import Provenance, Tracing
from slipway.records import EndpointState, PhaseChange, Release, Rollout
from slipway.table import ReleaseTable
from slipway.undelivered import UndeliveredEvents
from slipway.words import endpoint_names, instant, release_id_of, rollout_id_of

if TYPE_CHECKING:
    from slipway.artifacts import OnProgress, SealedDrop

_POLL_S = 0.5


class Message(TypedDict):
    role: str
    content: str


@dataclass(frozen=True)
class ChatOptions:
    """How to answer; what is None is left to the model's server."""

    max_tokens: int = 512
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None

    def fields(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


_DEFAULTS = ChatOptions()


class Slipway(OperatorVerbs):
    """One deployed stack.

    Credentials, region and addresses come from the boto3 session and its environment (`AWS_PROFILE`,
    `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL`, …) and from nowhere else. Safe to share between threads.

    Raises (every method):
        CredentialsError, AccessDeniedError, AwsUnreachableError, AwsRefusedError, StackNotFoundError.
    """

    def __init__(self, stack: str = "slipway", session: boto3.Session | None = None) -> None:
        self.stack = stack
        self.aws = Aws(stack, session)
        self._table = ReleaseTable(self.aws)
        super().__init__(Operations(self.aws))

    def outputs(self) -> dict[str, str]:
        """The stack's outputs; read once, because a deployed stack does not rename its parts."""
        return self.aws.outputs()

    def endpoint_name(self, endpoint: str) -> str:
        """SageMaker's name of the endpoint; raises UsageError for a name that none can have."""
        return endpoint_names(self.stack, endpoint).sagemaker_endpoint

    # -- what is there

    def endpoint(self, endpoint: str) -> EndpointState:
        """What serves; all ids are empty while nothing ever did. Raises UsageError for a name that none can have."""
        self.endpoint_name(endpoint)
        item = self._table.item(f"endpoint#{endpoint}", "endpoint")
        return EndpointState.of_item(item or {"endpoint": endpoint})

    def releases(self, endpoint: str) -> list[Release]:
        """Newest first."""
        found = [Release.of_item(item) for item in self._table.items(f"endpoint#{endpoint}", "release#")]
        return sorted(found, key=lambda release: release.created_at, reverse=True)

    def release(self, endpoint: str, release_id: str) -> Release:
        """Raises ReleaseNotFoundError when the table has no such release, UsageError when none can be called so."""
        item = self._table.item(f"endpoint#{endpoint}", f"release#{release_id_of(release_id, endpoint)}")
        if item is None:
            raise ReleaseNotFoundError(
                f"{endpoint} has no release {release_id}; `slipway releases {endpoint}` lists them"
            )
        return Release.of_item(item)

    def rollouts(self, endpoint: str) -> list[Rollout]:
        """Newest first."""
        found = [Rollout.of_item(item) for item in self._table.items(f"endpoint#{endpoint}", "rollout#")]
        return sorted(found, key=lambda rollout: rollout.created_at, reverse=True)

    def rollout(self, endpoint: str, rollout_id: str) -> Rollout:
        """Raises RolloutNotFoundError when the table has no such rollout, UsageError when none can be called so."""
        item = self._table.item(f"endpoint#{endpoint}", f"rollout#{rollout_id_of(rollout_id, endpoint)}")
        if item is None:
            raise RolloutNotFoundError(
                f"{endpoint} has no rollout {rollout_id}; `slipway watch --endpoint {endpoint}` shows the newest"
            )
        return Rollout.of_item(item)

    def view(self, endpoint: str, rollout_id: str) -> RolloutView:
        """A rollout from its artifact to its traffic, with the state of each gate and the time left."""
        names = endpoint_names(self.stack, endpoint)
        rollout = self.rollout(endpoint, rollout_id)
        item = self._table.item(f"endpoint#{endpoint}", f"release#{rollout.release_id}")
        release = Release.of_item(item) if item else None
        return view_of(rollout, release, fleets_of(self.aws, names.sagemaker_endpoint), names, datetime.now(UTC))

    def gate_evidence(self, endpoint: str, rollout_id: str) -> tuple[GateEvidence, ...]:
        """What each gate of a rollout found, in the order in which they spoke; empty for a rollout nobody knows."""
        item = self._table.item(f"endpoint#{endpoint}", f"rollout#{rollout_id_of(rollout_id, endpoint)}")
        return gate_evidence(item or {})

    def alarms(self, endpoint: str, rollout_id: str) -> tuple[AlarmState, ...]:
        """The alarms of a rollout that CloudWatch still has."""
        return alarms_of(self.aws, endpoint_names(self.stack, endpoint), rollout_id_of(rollout_id, endpoint))

    def feedback(self, endpoint: str) -> dict[str, Tally]:
        """What people said of the answers, by release id; a release that nobody judged is missing."""
        self.endpoint_name(endpoint)
        return tallies(self._table, endpoint)

    def fleets(self, endpoint: str) -> Fleets | None:
        """What SageMaker says of the endpoint now; None when it knows no such endpoint."""
        return fleets_of(self.aws, self.endpoint_name(endpoint))

    def diff(self, endpoint: str, before: str, after: str) -> ReleaseDiff:
        """What differs between two releases; raises ReleaseNotFoundError, UsageError as `release`."""
        release_id_of(after, endpoint)  # before anything is read
        first, second = self.release(endpoint, before), self.release(endpoint, after)
        manifests = (
            published_manifest(self.aws, first.artifact_id),
            published_manifest(self.aws, second.artifact_id),
        )
        return compare(first, second, manifests, prices_of(self.aws))

    def manifest(self, release: Release) -> dict[str, Any] | None:
        """The published manifest of a release's artifact, `events/artifact/manifest`; None if it was collected."""
        return published_manifest(self.aws, release.artifact_id)

    def bill(self, release: Release) -> Bill:
        """What a first fleet of the release costs."""
        return bill_of_config(release.config, prices_of(self.aws))

    def cost(self, endpoint: str) -> EndpointCost:
        """What the endpoint costs now, at rest, and at the most that autoscaling may reach.

        Raises:
            EndpointUnknownError: it has had no rollout.
            UsageError: a name that none can have, or a price list in the stack's parameters that cannot be read.
        """
        names = endpoint_names(self.stack, endpoint)
        rollouts = self.rollouts(endpoint)
        if not rollouts:
            raise self.unknown(endpoint)
        live, prices = self.endpoint(endpoint).live_release_id, prices_of(self.aws)
        steady, now = billed_now(fleets_of(self.aws, names.sagemaker_endpoint))
        under_way = [each for each in rollouts if not each.ended and each.plan]
        config = self.release(endpoint, live).config if live else None
        return EndpointCost(
            endpoint=endpoint,
            release_id=live,
            now=bill_of(now, prices),
            steady=bill_of(steady, prices),
            at_most=bill_of_config(config, prices, count="maxInstanceCount") if config else None,
            rollout=(under_way[0].plan or {}).get("estimate") if under_way else None,
            prices_as_of=prices.as_of,
            prices_region=prices.region,
            prices_source=prices.source,
        )

    def unknown(self, endpoint: str) -> EndpointUnknownError:
        """What to raise about an endpoint that has had no rollout; names those that have."""
        known = ", ".join(self.endpoints())
        there = f"known endpoints: {known}" if known else "the stack has none yet"
        return EndpointUnknownError(f"{endpoint} has had no rollout ({there}); `slipway push` starts the first one")

    def endpoints(self) -> list[str]:
        """Names of the endpoints that have had a rollout."""
        return self._table.endpoints()

    def watch(self, endpoint: str, rollout_id: str, timeout_s: float = 3600.0) -> Iterator[PhaseChange]:
        """Every phase of the rollout, those already behind it first, until it ends.

        Raises:
            RolloutNotFoundError: see `rollout`.
            RolloutTimeoutError: not ended after `timeout_s` seconds.
        """
        seen, deadline = 0, time.monotonic() + timeout_s
        while True:
            rollout = self.rollout(endpoint, rollout_id)
            yield from rollout.history[seen:]
            seen = len(rollout.history)
            if rollout.ended:
                return
            if time.monotonic() > deadline:
                raise RolloutTimeoutError(
                    f"rollout {rollout_id} is still {rollout.phase} after {timeout_s:.0f} s; "
                    f"`slipway watch {rollout_id} --endpoint {endpoint}` goes on watching"
                )
            time.sleep(_POLL_S)

    def ledger(self, endpoint: str) -> list[dict[str, Any]]:
        """Every line of the endpoint's ledger from the first, `events/table/ledger`."""
        self.endpoint_name(endpoint)
        return list(self._table.items(f"endpoint#{endpoint}", "ledger#"))

    def explain(self, endpoint: str, what: str, *, every_byte: bool = False) -> Provenance:
        """From an answer or a release back to its bytes, each link recomputed; see `slipway.provenance`."""
        return Tracing(self).explain(endpoint, what, every_byte=every_byte)

    def doctor(self, endpoint: str) -> Iterator[Check]:
        """Whether everything is there that a release needs, check by check as each is done."""
        self.endpoint_name(endpoint)
        return Doctor(self).examine(endpoint)

    def logs(self, question: Question, *, follow: bool = False) -> Iterator[LogLine]:
        """Log lines in the order of their time; with `follow` later ones too, until the caller stops."""
        return read(self.aws, question, follow=follow)

    def undelivered(self) -> UndeliveredEvents:
        """The events that reached no function, and the way to hand them in again."""
        return UndeliveredEvents(self.aws)

    # -- what changes it

    def push(
        self,
        directory: Path,
        endpoint: str,
        version: str,
        on_progress: "OnProgress" = lambda _: None,
        *,
        config: dict[str, Any] | None = None,
    ) -> "SealedDrop":
        """Upload a folder as models/<endpoint>/<version>/ and seal it, which starts a rollout.

        Only what the bucket lacks is sent, and a version is sealed once: the same call again finds the same drop.

        Args:
            config: what the release runs with, over the defaults (`events/release/settings`).

        Raises:
            ArtifactFolderError: the folder cannot be an artifact, or its manifest or the config breaks its contract.
            UsageError: endpoint or version cannot be part of a key.
            VersionSealedError: the version is sealed with other files or another config.
            ArtifactChangedError: a file is not what the folder's manifest declares.
        """
        from slipway import artifacts, uploads  # contracts and transfers, for which no other verb shall wait

        drop = sealed_drop(f"models/{endpoint}/{version}/{MANIFEST}")
        if isinstance(drop, NotADrop):
            raise UsageError(drop.reason)
        files = artifacts.read_artifact(directory)
        manifest = artifacts.manifest_of(directory, files, config)
        bucket = self.aws.output("ArtifactBucketName")
        with translated():
            there = uploads.find_seal(self.aws.s3, bucket, drop, manifest)
            if there is not None:
                return there
            uploads.upload(self.aws.s3, bucket, drop, files, on_progress)
            return uploads.seal(self.aws.s3, bucket, drop, manifest)

    def rollout_of(self, drop: "SealedDrop", timeout_s: float = 120.0) -> str:
        """The id of the rollout that this drop started; waits for its event to arrive.

        Raises:
            DropNotSeenError: no rollout after `timeout_s` seconds.
            ImageMissingError: seen, but there is no inference image to run it with.
        """
        deadline = time.monotonic() + timeout_s
        rollout_id: str | None = None
        while time.monotonic() < deadline:
            rollout_id = self._sealed_rollout(drop.seal)
            if rollout_id:
                return rollout_id
            time.sleep(_POLL_S)
        if rollout_id is not None:
            raise ImageMissingError(
                f"{drop.prefix} waits for a first inference image; push one with a tag that starts with `release-`"
            )
        raise DropNotSeenError(
            f"no rollout of {drop.prefix} after {timeout_s:.0f} s; look into ArtifactUploadedRule's dead-letter queue"
        )

    def rollback(
        self, endpoint: str, to: str | None = None, *, at: datetime | None = None, timeout_s: float = 120.0
    ) -> str:
        """Start the rollback machine; returns the id of the rollout that it registered.

        Args:
            to: a release id; without it, the last good release.
            at: instead: the release that was live at this instant, which knows its time zone.

        Raises:
            UsageError: `to` cannot be a release id, `at` has no time zone, or both are given.
            RollbackRefusedError: the machine ended without a rollout.
            RolloutTimeoutError: it registered none in `timeout_s` seconds.
        """
        self.endpoint_name(endpoint)
        if to is not None and at is not None:
            raise UsageError("a rollback goes to a release or to an instant; give one of --to and --at")
        asked = {"endpoint": endpoint}
        if to is not None:
            asked["to"] = release_id_of(to, endpoint)
        if at is not None:
            asked["at"] = instant(at)
        arn = self._operations.start("RollbackStateMachineArn", f"rollback-{endpoint}", asked)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            execution = self._operations.look(arn)
            if rollout_id := self._sealed_rollout(arn):
                return rollout_id
            if execution.status != "RUNNING":
                raise RollbackRefusedError(f"{endpoint} was not rolled back: {execution.reason or execution.status}")
            time.sleep(_POLL_S)
        raise RolloutTimeoutError(
            f"the rollback of {endpoint} registered no rollout in {timeout_s:.0f} s; look at {arn}"
        )

    def judge_answer(self, endpoint: str, vote: Vote) -> None:
        """Keep what somebody says of one answer; a later word with the same vote id replaces it.

        Raises:
            UsageError: what cannot be a vote, see `slipway.feedback`.
        """
        self.endpoint_name(endpoint)
        self._table.put(feedback_item(endpoint, vote))

    # -- asking

    def chat(self, endpoint: str, messages: Sequence[Message], options: ChatOptions = _DEFAULTS) -> ChatStream:
        """Ask the endpoint; iterate over the answer for its text.

        Raises:
            ChatError: see its classes and `ChatStream`.
        """
        body = {
            "messages": list(messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            **options.fields(),
        }
        return open_chat(self.aws.runtime, self.endpoint_name(endpoint), body)

    def ask(self, endpoint: str, question: str, *, max_tokens: int = 256, temperature: float = 0.0) -> ChatStream:
        """One question, as `chat` asks it."""
        options = ChatOptions(max_tokens=max_tokens, temperature=temperature)
        return self.chat(endpoint, [{"role": "user", "content": question}], options)

    # -- the release table

    def _sealed_rollout(self, seal: str) -> str | None:
        """The rollout that a drop or an execution is bound to; empty while it waits for an image, None if not seen."""
        item = self._table.item(f"seal#{seal_digest(seal)}", "seal")
        return str(item["rolloutId"]) if item else None
