"""What answered: the release, and the bytes, the image and the arithmetic behind it, in one fingerprint."""

import hashlib
import json
from dataclasses import asdict, dataclass

from engine.protocol import Loaded
from server.settings import Settings

_DIGITS = 12


@dataclass(frozen=True)
class Provenance:
    """Everything that can change an answer, but the request. Unknown parts are empty."""

    release: str
    rollout: str
    image: str
    artifact: str
    """SHA-256 over the artifact's files, computed from the bytes that were loaded."""
    recipe: str
    engine: str

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits: equal where the same bytes run in the same way, whichever rollout brought them."""
        same = {name: value for name, value in asdict(self).items() if name not in ("release", "rollout")}
        return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:_DIGITS]

    @property
    def system_fingerprint(self) -> str:
        """OpenAI's field: the release, then the fingerprint."""
        return f"{self.release}-{self.fingerprint}"

    @property
    def custom_attributes(self) -> str:
        """What SageMaker hands to the caller with every answer; the fingerprint only once there is a model."""
        named = f"release={self.release};rollout={self.rollout}"
        return f"{named};fingerprint={self.fingerprint}" if self.artifact else named


def provenance_of(settings: Settings, loaded: Loaded | None) -> Provenance:
    """Args: loaded: None while there is no model."""
    model = loaded or Loaded(0)
    return Provenance(
        settings.release_id, settings.rollout_id, settings.image_digest, model.artifact, model.recipe, model.engine
    )
