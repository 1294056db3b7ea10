"""The embedded clock where moto reads the wall's: what S3 says of when an object was written."""

from datetime import datetime, timedelta

from moto.s3 import models as s3_models

from local.moto_patches.patching import Patches
from local.world import World


def install(patches: Patches, world: World) -> None:
    _date_objects_by_the_clock(patches, world)


def _date_objects_by_the_clock(patches: Patches, world: World) -> None:
    """moto dates objects by the wall clock, beside events and functions that go by ours."""

    def utcnow() -> datetime:
        skew = timedelta(seconds=world.faults.skew_s("s3"))
        return (world.clock.now() + skew).replace(tzinfo=None)  # moto's datetimes are UTC without saying so

    patches.replace(s3_models, "utcnow", utcnow)
