"""botocore's failures as sentences."""

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore import exceptions as boto

from slipway.aws_errors import translated
from slipway.errors import AccessDeniedError, AwsRefusedError, AwsUnreachableError, CredentialsError, SlipwayError


def refused(code: str) -> boto.ClientError:
    return boto.ClientError({"Error": {"Code": code, "Message": "because"}}, "PutObject")


@pytest.mark.parametrize(
    ("error", "ours", "sentence"),
    [
        pytest.param(boto.NoRegionError(), CredentialsError, "AWS_DEFAULT_REGION", id="no region"),
        pytest.param(boto.NoCredentialsError(), CredentialsError, "slipway local env", id="no credentials"),
        pytest.param(
            boto.ProfileNotFound(profile="ana"), CredentialsError, r"\(ana\) could not be found; mend", id="no profile"
        ),
        pytest.param(boto.SSOTokenLoadError(error_msg="it is old"), CredentialsError, "log in again", id="old login"),
        pytest.param(
            boto.ParamValidationError(report="\nName: too long\n"),
            AwsRefusedError,
            "this: .*: Name: too long$",
            id="no request",
        ),
        pytest.param(
            boto.FlexibleChecksumError(error_msg="bytes differ"),
            AwsUnreachableError,
            "the network",
            id="damaged on the way",
        ),
        pytest.param(refused("ExpiredToken"), CredentialsError, "log in again", id="old credentials"),
        pytest.param(refused("AccessDenied"), AccessDeniedError, "may not do PutObject: because", id="no permission"),
        pytest.param(refused("403"), AccessDeniedError, "may not do PutObject", id="S3 says no more than 403"),
        pytest.param(refused("SlowDown"), AwsRefusedError, "PutObject with SlowDown: because", id="anything else"),
        pytest.param(
            boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
            AwsUnreachableError,
            "check AWS_ENDPOINT_URL",
            id="nobody there",
        ),
    ],
)
def test_each_failure_says_what_to_do(error: Exception, ours: type[SlipwayError], sentence: str) -> None:
    with pytest.raises(ours, match=sentence), translated():
        raise error


def test_a_failed_upload_is_what_s3_said() -> None:
    def upload() -> None:
        try:
            raise refused("AccessDenied")
        except boto.ClientError as error:
            raise S3UploadFailedError(f"Failed to upload: {error}")  # noqa: B904 - as boto3 raises it

    with pytest.raises(AccessDeniedError, match="may not do PutObject"), translated():
        upload()


def test_what_is_no_failure_of_aws_passes_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError
