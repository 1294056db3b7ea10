"""CloudFormation: our own stacks answer its operations; moto keeps the models of many resource types."""

from collections.abc import Callable
from typing import Any

import botocore
import botocore.session
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult

from local.cloudformation.api import Api
from local.cloudformation.types import stacks_of
from local.moto_patches.patching import Patches
from local.world import World


def install(patches: Patches, world: World) -> None:
    _answer_by_our_stacks(patches, Api(world, stacks_of(world)).operations())


def _answer_by_our_stacks(patches: Patches, operations: dict[str, Callable[[Any], dict[str, Any]]]) -> None:
    """moto's stacks are complete before the request ends and tell no resource's events; a resource that fails is a 500,
    an unknown type is skipped, and an update deletes and creates what it should change."""

    def answered_by(operation: Callable[[Any], dict[str, Any]]) -> Callable[[CloudFormationResponse], ActionResult]:
        return lambda response: ActionResult(operation(response.params))

    def refused(response: CloudFormationResponse) -> ActionResult:
        raise NotImplementedError(response._get_action())  # noqa: SLF001 - the gateway answers for it, by name

    patches.replace(CloudFormationResponse, "RESPONSE_KEY_PATH_TO_TRANSFORMER", {})
    model = botocore.session.get_session().get_service_model("cloudformation")
    for name in map(botocore.xform_name, model.operation_names):
        ours = answered_by(operations[name]) if name in operations else refused
        if hasattr(CloudFormationResponse, name):
            patches.replace(CloudFormationResponse, name, ours)
        elif name in operations:
            patches.add(CloudFormationResponse, name, ours)
