"""ECR: an image is named by its manifest's digest, and a pushed image says so on the event bus."""

import hashlib
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.ecr import models

from local.event_delivery import EventDelivery
from local.moto_patches.patching import Patches


def install(patches: Patches, delivery: EventDelivery) -> None:
    _digest_manifests(patches)
    _announce_pushes(patches, delivery)


def _digest_manifests(patches: Patches) -> None:
    """moto makes a digest up from the layers' digests, and believes any that a client sends."""

    def create(self: models.Image, *args: Any, **named: Any) -> None:
        original(self, *args, **named)
        computed = f"sha256:{hashlib.sha256(self.image_manifest.encode()).hexdigest()}"
        sent = self._image_digest or computed
        if sent != computed:
            message = f"The image digest {sent} does not match the manifest's, {computed}"
            raise JsonRESTError("ImageDigestDoesNotMatchException", message)
        self._image_digest = computed

    original = patches.replace(models.Image, "__init__", create)


def _announce_pushes(patches: Patches, delivery: EventDelivery) -> None:
    """moto stores an image and tells nobody; ECR sends "ECR Image Action" for every push that succeeded."""

    def put_image(self: models.ECRBackend, name: str, manifest: str, tag: str, *rest: Any, **named: Any) -> Any:
        image = original(self, name, manifest, tag, *rest, **named)
        detail = {
            "result": "SUCCESS",
            "repository-name": name,
            "image-digest": image.get_image_digest(),
            "action-type": "PUSH",
        }
        delivery.emit("aws.ecr", "ECR Image Action", {**detail, **({"image-tag": tag} if tag else {})}, [])
        return image

    original = patches.replace(models.ECRBackend, "put_image", put_image)
