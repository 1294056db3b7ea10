"""What an instance type's name says, against EC2's own description of its types."""

import pytest
from botocore.model import StringShape
from moto.ec2.models.instance_types import INSTANCE_TYPES

from local.sagemaker.control.instance_types import has_local_storage
from local.sagemaker.service_model import service_model

SHAPE = service_model("sagemaker").shape_for("ProductionVariantInstanceType")
TYPES = list(SHAPE.enum) if isinstance(SHAPE, StringShape) else []


def test_local_storage_is_where_ec2_says_it_is() -> None:
    # Source: EC2's DescribeInstanceTypes, whose answer for us-east-1 moto ships.
    known = {
        name: INSTANCE_TYPES[name.removeprefix("ml.")] for name in TYPES if name.removeprefix("ml.") in INSTANCE_TYPES
    }

    wrong = [name for name, told in known.items() if has_local_storage(name) is not told["InstanceStorageSupported"]]

    assert len(known) > 250
    assert wrong == []


@pytest.mark.parametrize(
    ("instance_type", "has"),
    [
        # Source: the pages of these families among Amazon EC2's instance types.
        pytest.param("ml.dl1.24xlarge", True, id="4 disks of 1 TB"),
        pytest.param("ml.p3.2xlarge", False, id="EBS only"),
        pytest.param("ml.p2.xlarge", False, id="EBS only, the older"),
    ],
)
def test_local_storage_of_families_that_ec2_no_longer_tells_of(instance_type: str, has: bool) -> None:  # noqa: FBT001 - a table's cell
    assert instance_type in TYPES
    assert has_local_storage(instance_type) is has
