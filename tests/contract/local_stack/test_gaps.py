"""What the embedded AWS promises is what its code does."""

import pytest

from local import gaps
from local.operations import Coverage, operations_of

# What template, functions, client, page and tests of Slipway call.
USED = {
    "application-autoscaling", "cloudformation", "cloudwatch", "dynamodb", "ec2", "ecr", "ecs", "elbv2", "events",
    "iam", "kms", "lambda", "logs", "s3", "sagemaker", "sagemaker-runtime", "service-quotas", "sns", "sqs", "ssm",
    "stepfunctions", "sts",
}  # fmt: skip


@pytest.fixture(scope="module")
def covered() -> dict[str, Coverage]:
    return {one.service: one for one in gaps.covered()}


def test_the_list_of_gaps_is_current() -> None:
    assert gaps.PATH.read_text() == gaps.text(), "run python -m local.gaps"


def test_every_operation_of_every_service_is_in_exactly_one_list(covered: dict[str, Coverage]) -> None:
    assert set(covered) == USED
    for one in covered.values():
        listed = [*one.emulated, *one.recorded, *one.refused]
        assert sorted(listed) == sorted(operations_of(one.service)), one.service


# One operation that Slipway calls, and one that it leaves to others, of services whose lists come from different code.
@pytest.mark.parametrize(
    ("service", "emulated", "refused"),
    [
        ("s3", "CompleteMultipartUpload", "PutBucketAnalyticsConfiguration"),
        ("stepfunctions", "StartExecution", "TestState"),
        ("sagemaker", "UpdateEndpoint", "CreateTrainingJob"),
        ("cloudformation", "ExecuteChangeSet", "CreateStackSet"),
        ("sts", "AssumeRole", "AssumeRoleWithWebIdentity"),
    ],
)
def test_what_works_is_not_refused_and_the_other_way_round(
    covered: dict[str, Coverage], service: str, emulated: str, refused: str
) -> None:
    assert emulated in covered[service].emulated
    assert refused in covered[service].refused
