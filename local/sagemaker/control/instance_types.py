"""What an instance type's name says about the machine."""

_WITH_LOCAL_STORAGE = frozenset(
    {
        *("c5d", "c6gd", "m5d", "m6gd", "r5d", "r6gd", "r7gd"),
        *("g4dn", "g5", "g6", "g6e", "g7", "g7e"),
        *("p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300", "p6e-gb200"),
        *("dl1", "trn1", "trn1n", "trn2"),
    }
)
"""Families whose instances have an NVMe instance store, of those that host endpoints.

Source: `InstanceStorageSupported` of EC2's DescribeInstanceTypes; for dl1 and p6e-gb200 their pages among EC2's
instance types, as the former's answer in us-east-1 has neither.
"""


def has_local_storage(instance_type: str) -> bool:
    """Whether the instance brings its own NVMe disks, so that SageMaker attaches no EBS volume.

    Args:
        instance_type: as SageMaker writes it, `ml.g5.4xlarge`.
    """
    return instance_type.split(".")[1] in _WITH_LOCAL_STORAGE
