"""The one place that changes moto 5.2.5.

A patch is a function of a module in this package. It takes `patches` and calls `patches.replace`,
`patches.replace_item` or `patches.add`; its docstring names the gap of moto that it fills. A test under
`tests/contract/local_core/test_moto_gaps*.py` is marked `@justifies(<the function>)` and shows the gap on bare moto, so
that it turns red when a later moto needs the patch no longer. `tests/contract/house/test_moto_patches.py` holds all
of this: no other module changes moto, no patch lacks its docstring or its test.
"""

from collections.abc import Callable

from local.event_delivery import EventDelivery
from local.lambda_runtime import LambdaRuntime
from local.moto_patches import (
    clocks,
    cloudformation,
    dynamodb,
    ecr,
    event_sources,
    eventbridge,
    kms,
    lambda_functions,
    s3,
    s3_bodies,
    s3_objects,
    sns,
    step_functions,
    step_functions_metrics,
)
from local.moto_patches.patching import Patches
from local.world import World


def install(
    world: World, delivery: EventDelivery, functions: LambdaRuntime, on_schedule: Callable[[str], None]
) -> Patches:
    """Patch moto for this process; `undo()` of what is returned gives the bare moto back.

    Args:
        on_schedule: told the ARN of a rule of EventBridge that was put or enabled.
    """
    patches = Patches()
    step_functions.install(patches, world, delivery.emit)
    step_functions_metrics.install(patches, world)
    eventbridge.install(patches, delivery, on_schedule)
    lambda_functions.install(patches, functions)
    event_sources.install(patches)
    s3.install(patches, delivery)
    s3_bodies.install(patches, world.state_dir)
    s3_objects.install(patches)
    ecr.install(patches, delivery)
    sns.install(patches)
    kms.install(patches)
    cloudformation.install(patches, world)
    dynamodb.install(patches)
    clocks.install(patches, world)
    return patches
