"""Why a request was turned away. Each error knows what every protocol calls it."""

from typing import ClassVar

from moto.core.exceptions import ServiceException


class RefusedError(ServiceException):
    """A request that IAM turned away.

    Attributes:
        code: the name in JSON protocols.
        query_code: the name in the query protocols.
        s3_code: the name in S3.
    """

    query_code: ClassVar[str]
    s3_code: ClassVar[str]


class AccessDeniedError(RefusedError):
    """The caller may not do this; the message names who, what, on what and which kind of policy said so."""

    code = "AccessDeniedException"
    query_code = s3_code = "AccessDenied"


class UnknownCredentialsError(RefusedError):
    """The request's access key belongs to nobody here; `slipway local env` prints the administrator's."""

    code = "UnrecognizedClientException"
    query_code, s3_code = "InvalidClientTokenId", "InvalidAccessKeyId"


class ExpiredTokenError(RefusedError):
    """The credentials of a role's session ended; assume the role again."""

    code = "ExpiredTokenException"
    query_code = s3_code = "ExpiredToken"
