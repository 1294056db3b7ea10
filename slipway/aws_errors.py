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
    boto.ConnectionError,
    boto.HTTPClientError,
    boto.FlexibleChecksumError,
)
AWS_ERRORS = (boto.BotoCoreError, boto.ClientError)
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
    except AWS_ERRORS as error:
        raise in_our_words(error) from error
    except S3UploadFailedError as error:
        # What S3 said lies beneath; the wrapper adds only the file's path.
        cause = error.__context__
        raise in_our_words(cause if isinstance(cause, Exception) else error) from error


def in_our_words(error: Exception) -> SlipwayError:
    match error:
        case boto.ClientError():
            return _refusal(error)
        case boto.BotoCoreError():
            return _before_any_answer(error)
        case _:
            return AwsRefusedError(f"the upload failed: {_one_line(error)}")


def _refusal(error: boto.ClientError) -> SlipwayError:
    code, message = error_code(error), error_message(error)
    if code in _BAD_KEYS:
        return CredentialsError(f"AWS did not accept the credentials ({message}); log in again")
    if code in _DENIED:
        return AccessDeniedError(
            f"these credentials may not do {error.operation_name}: {message}; ask for that permission"
        )
    return AwsRefusedError(f"AWS refused {error.operation_name} with {code}: {message}")


def _before_any_answer(error: boto.BotoCoreError) -> SlipwayError:
    match error:
        case boto.NoRegionError():
            return CredentialsError("no AWS region is set; export AWS_DEFAULT_REGION, or run `slipway local env`")
        case boto.NoCredentialsError() | boto.PartialCredentialsError():
            return CredentialsError(
                "no complete AWS credentials were found; log in with the AWS CLI, or run `slipway local env`"
            )
        case boto.ConnectionError() | boto.HTTPClientError() | boto.FlexibleChecksumError():
            return AwsUnreachableError(f"AWS did not answer: {error}; check AWS_ENDPOINT_URL and the network")
        case boto.ParamValidationError():
            return AwsRefusedError(f"no AWS request can be made of this: {_one_line(error)}")
        case _:
            # Profiles, their files, single sign-on, variables: botocore has some fifty classes for what is wrong there.
            return CredentialsError(
                f"the AWS settings of this machine cannot be used: {_one_line(error)}; "
                "mend AWS_PROFILE, its file or the AWS_… variable, or log in again"
            )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(":.")
