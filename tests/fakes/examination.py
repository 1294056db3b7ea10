"""What an examination asks besides the artifact, in memory."""

from dataclasses import dataclass, field

from release.domain.examination.placement import DOCKER_MANIFEST


@dataclass
class FakeRegistry:
    """Every image is a Docker one unless the test says otherwise; None: there is no such image."""

    kinds: dict[str, str | None] = field(default_factory=dict)

    def media_type(self, image: str) -> str | None:
        return self.kinds.get(image, DOCKER_MANIFEST)


@dataclass
class FakeSigners:
    """Key `k` has signed `s` when the signature is `k` + `s`. No keys: no signature is asked for."""

    keys: dict[str, str] = field(default_factory=dict)

    def keys_of(self, endpoint: str) -> str:
        return self.keys.get(endpoint, "")

    def verified(self, keys: str, signed: bytes, signature: bytes) -> bool:
        return any(signature == key.encode() + signed for key in keys.split())
