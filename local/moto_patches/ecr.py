"""ECR: a pushed image says so on the event bus."""

from typing import Any

from moto.ecr import models

from local.event_delivery import EventDelivery
from local.moto_patches.patching import Patches


def install(patches: Patches, delivery: EventDelivery) -> None:
    _announce_pushes(patches, delivery)


def _announce_pushes(patches: Patches, delivery: EventDelivery) -> None:
    """moto stores an image and tells nobody; ECR sends "ECR Image Action" for every push that succeeded."""

    def put_image(
        self: models.ECRBackend, repository_name: str, image_manifest: str, image_tag: str, *rest: Any, **named: Any
    ) -> Any:
        image = original(self, repository_name, image_manifest, image_tag, *rest, **named)
        detail = {
            "result": "SUCCESS",
            "repository-name": repository_name,
            "image-digest": image.get_image_digest(),
            "action-type": "PUSH",
        }
        delivery.emit("aws.ecr", "ECR Image Action", {**detail, **({"image-tag": image_tag} if image_tag else {})}, [])
        return image

    original = patches.replace(models.ECRBackend, "put_image", put_image)
