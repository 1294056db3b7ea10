"""CreateModel, DescribeModel, ListModels, DeleteModel."""

from collections.abc import Mapping
from typing import Any

from local.sagemaker.control.plane import Deed, Json, Plane, as_requested, given, looked_up, summary
from local.sagemaker.control.rights import Rights, model_keys
from local.sagemaker.errors import not_emulated, validation
from local.sagemaker.execution_role import ExecutionRole
from local.sagemaker.fleets.model_data import is_readable, model_data_of
from local.sagemaker.registry import check_tags
from local.world import World

MAX_ENVIRONMENT_BYTES = 32 * 1024
"""All names and values together. Source: ContainerDefinition.Environment of SageMaker's API reference."""


class Models:
    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._shelf = plane.registry.models

    def deeds(self) -> dict[str, Deed]:
        return {
            "CreateModel": self._create,
            "DescribeModel": self._describe,
            "ListModels": self._list,
            "DeleteModel": self._delete,
        }

    def _create(self, rights: Rights, request: Json) -> Json:
        name = request["ModelName"]
        rights.need_create("CreateModel", self._shelf.arn(name), request, model_keys(request))
        if role := request.get("ExecutionRoleArn"):
            rights.need_pass(role)
        self._shelf.refuse_known(name)
        check_tags(request.get("Tags") or [])
        _check(self._plane.world, request)
        return {"ModelArn": self._plane.shelve(self._shelf, name, request)}

    def _describe(self, rights: Rights, request: Json) -> Json:
        record = looked_up(self._shelf, rights, "DescribeModel", request["ModelName"])
        return as_requested(record) | {"ModelArn": record.arn}

    def _list(self, rights: Rights, request: Json) -> Json:
        rights.need("ListModels")
        summaries = [summary("Model", record) for record in self._shelf.all()]
        return self._plane.page("Models", "Model", summaries, request, self._plane.behaviour.page_size)

    def _delete(self, rights: Rights, request: Json) -> Json:
        looked_up(self._shelf, rights, "DeleteModel", request["ModelName"])
        self._plane.unshelve(self._shelf, request["ModelName"])
        return {}


def container_of(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one container of a CreateModel request.

    Raises:
        AwsError: ValidationException: none, or more than the twin emulates.
    """
    if len(given(model, "Containers", "PrimaryContainer")) != 1:
        raise validation("Exactly one of PrimaryContainer and Containers must be specified.")
    containers = model.get("Containers") or [model.get("PrimaryContainer")]
    if len(containers) > 1:
        raise not_emulated(f"an inference pipeline of {len(containers)} containers; give one PrimaryContainer")
    container: Mapping[str, Any] | None = containers[0]
    if container is None or "Image" not in container:
        raise validation("Image must be specified in the container definition.")
    return container


def _check(world: World, request: Mapping[str, Any]) -> None:
    """What CreateModel finds out before it answers: the role works, the image and the data are there for it."""
    container = container_of(request)
    if "ExecutionRoleArn" not in request:
        raise validation("ExecutionRoleArn must be specified.")
    environment = container.get("Environment") or {}
    size = sum(len(text.encode()) for pair in environment.items() for text in pair)
    if size > MAX_ENVIRONMENT_BYTES:
        raise validation(
            f"The names and values in Environment have {size} bytes together; the limit is {MAX_ENVIRONMENT_BYTES}."
        )
    role = ExecutionRole(world, request["ExecutionRoleArn"])
    role.resolve_image(container["Image"])
    data = model_data_of(container)
    if data and not is_readable(role.client("s3"), data):
        raise validation(role.data_unreadable(data.uri))
