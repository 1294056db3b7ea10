"""botocore's failures in our words, for the control plane's calls."""

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import S3UploadFailedError
from botocore import exceptions as boto

from slipway.errors import (
    AccessDeniedError,
    AwsRefusedError,
    AwsUnreachableError,
    CredentialsError,
    SlipwayError,
)

CONNECTION_ERRORS = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.ReadTimeoutError,
    boto.ConnectionClosedError,
    boto.ProxyConnectionError,
    boto.SSLError,
)
_BAD_KEYS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "403"}


def error_code(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def error_message(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", "")) or "no message"


@contextmanager
def translated() -> Iterator[None]:
    """Raise ours instead of botocore's.

    Raises:
        CredentialsError, AccessDeniedError, AwsUnreachableError, AwsRefusedError: see their docstrings.
    """
    try:
        yield
    except (
        boto.NoRegionError,
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.ClientError,
        *CONNECTION_ERRORS,
    ) as error:
        raise in_our_words(error) from error
    except S3UploadFailedError as error:
        # What S3 said lies beneath; the wrapper adds only the file's path.
        cause = error.__context__
        raise in_our_words(cause if isinstance(cause, Exception) else error) from error


def in_our_words(error: Exception) -> SlipwayError:
    match error:
        case boto.NoRegionError():
            return CredentialsError("no AWS region is set; export AWS_DEFAULT_REGION, or run `slipway local env`")
        case boto.NoCredentialsError() | boto.PartialCredentialsError():
            return CredentialsError(
                "no complete AWS credentials were found; log in with the AWS CLI, or run `slipway local env`"
            )
        case boto.ClientError() if error_code(error) in _BAD_KEYS:
            return CredentialsError(f"AWS did not accept the credentials ({error_message(error)}); log in again")
        case boto.ClientError() if error_code(error) in _DENIED:
            return AccessDeniedError(
                f"these credentials may not do {error.operation_name}: {error_message(error)}; ask for that permission"
            )
        case boto.ClientError():
            return AwsRefusedError(
                f"AWS refused {error.operation_name} with {error_code(error)}: {error_message(error)}"
            )
        case _:
            return AwsUnreachableError(f"AWS did not answer: {error}; check AWS_ENDPOINT_URL and the network")
