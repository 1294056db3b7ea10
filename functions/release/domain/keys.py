"""Where drops lie in the artifact bucket, and which object seals one or which tag marks a push.

models/<endpoint>/<version>/…            what people upload; manifest.json or model.tar.gz seals it
published/<artifact id>/…                what passed examination; models point only there
"""

from dataclasses import dataclass

from release.domain.names import name_problem

MANIFEST = "manifest.json"
TARBALL = "model.tar.gz"
TAG_PREFIX = "release-"
"""Of the tag of a push that starts rollouts."""
SEALS = frozenset({MANIFEST, TARBALL})

_SEGMENTS = 4


@dataclass(frozen=True, slots=True)
class Drop:
    """One versioned upload for one endpoint, sealed by `seal` (a file name of SEALS)."""

    endpoint: str
    version: str
    seal: str

    @property
    def prefix(self) -> str:
        return f"models/{self.endpoint}/{self.version}/"

    @property
    def key(self) -> str:
        return self.prefix + self.seal


@dataclass(frozen=True, slots=True)
class NotADrop:
    reason: str


def sealed_drop(key: str) -> Drop | NotADrop:
    """What the object at `key` seals, or why it seals nothing."""
    segments = key.split("/")
    if len(segments) != _SEGMENTS or segments[0] != "models" or segments[3] not in SEALS:
        return NotADrop(
            f"{key} seals nothing; models/<endpoint>/<version>/{MANIFEST} or models/<endpoint>/<version>/{TARBALL} does"
        )
    _, endpoint, version, seal = segments
    if problem := name_problem(endpoint):
        return NotADrop(f"{key} names no endpoint: {problem}")
    if version in {"", ".", ".."}:
        return NotADrop(f"{key} names no version between the endpoint and {seal}")
    return Drop(endpoint, version, seal)


def published_prefix(artifact: str) -> str:
    return f"published/{artifact}/"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rollout's files come from: a prefix or a `model.tar.gz` in the artifact bucket.

    Written `s3://<bucket>/<key>` for a drop, and as the bare prefix `published/<artifact id>/` without a bucket.
    """

    key: str
    bucket: str = ""

    @classmethod
    def parse(cls, text: str) -> "Source":
        """Raises ValueError for what `str()` of a Source cannot have written."""
        bucket, key = "", text
        if text.startswith("s3://"):
            bucket, _, key = text.removeprefix("s3://").partition("/")
        if not key.endswith(("/", f"/{TARBALL}")):
            raise ValueError(
                f"{text!r} is no source; expected s3://<bucket>/<prefix>/, …/{TARBALL} or a published prefix"
            )
        return cls(key, bucket)

    @classmethod
    def published(cls, artifact: str) -> "Source":
        return cls(published_prefix(artifact))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}" if self.bucket else self.key

    @property
    def is_tarball(self) -> bool:
        return not self.key.endswith("/")
