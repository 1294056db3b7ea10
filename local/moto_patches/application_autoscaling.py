"""Application Auto Scaling: our service answers in moto's place."""

import json
from collections.abc import Callable

from botocore import xform_name
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.exceptions import JsonRESTError

from local.autoscaling.service import AutoScaling
from local.moto_patches.patching import Patches
from local.sagemaker.errors import AwsError


def install(patches: Patches, scaling: AutoScaling) -> None:
    _act_on_targets(patches, scaling)


def _act_on_targets(patches: Patches, scaling: AutoScaling) -> None:
    """moto writes targets and policies down and scales nothing; it takes targets that do not exist, makes no alarm for
    SageMaker's policies, and has neither activities nor tags."""

    def answering(operation: str) -> Callable[[ApplicationAutoScalingResponse], str]:
        def answer(self: ApplicationAutoScalingResponse) -> str:
            try:
                return json.dumps(scaling.call(operation, json.loads(self.body or "{}")))
            except AwsError as error:
                raise JsonRESTError(error.code, error.message) from error

        return answer

    for operation in AutoScaling.OPERATIONS:
        name = xform_name(operation)
        if hasattr(ApplicationAutoScalingResponse, name):
            patches.replace(ApplicationAutoScalingResponse, name, answering(operation))
        else:
            patches.add(ApplicationAutoScalingResponse, name, answering(operation))
