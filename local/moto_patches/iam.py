"""IAM: our judge sits where moto has its own."""

import re
from collections.abc import Mapping
from typing import Any

from botocore import xform_name
from moto.core import errors
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model
from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response
from moto.sqs.models import Queue
from moto.sts.exceptions import STSValidationError
from moto.sts.responses import TokenResponse

from local.iam import Iam
from local.iam.account import TAKEN_BY
from local.iam.errors import AccessDeniedError, ExpiredTokenError, RefusedError, UnknownCredentialsError
from local.iam.s3 import S3Request
from local.moto_patches.patching import Patches
from local.operations import NOT_JUDGED
from local.world import ADMIN_KEY

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/")
_NOT_EMULATED = ("PolicyArns.member.1.arn", "Tags.member.1.Key")
_FORBIDDEN, _BAD_REQUEST = 403, 400


def install(patches: Patches, iam: Iam) -> None:
    _judge_calls(patches, iam)
    _know_refusals_in_every_service(patches)
    _judge_s3(patches, iam)
    _take_roles(patches, iam)
    _refuse_foreign_identities(patches)
    _keep_queue_policies(patches)


def access_key_of(headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    """The access key that signed a request; empty if it carries no signature."""
    signed = _CREDENTIAL.search(headers.get("Authorization", ""))
    if signed:
        return signed[1]
    presigned = query.get("X-Amz-Credential") or query.get("AWSAccessKeyId") or [""]
    return str(presigned[0] if isinstance(presigned, list) else presigned).split("/")[0]


def _judge_calls(patches: Patches, iam: Iam) -> None:
    """moto judges by resource "*" and answers in XML; here by the request's ARNs, in the service's own protocol."""

    def call_action(response: BaseResponse) -> Any:
        try:
            _judge(response, iam)
        except ServiceException as error:
            return _refusal(response, error)
        return original(response)

    original = patches.replace(BaseResponse, "call_action", call_action)


def _judge(response: Any, iam: Iam) -> None:
    key = access_key_of(response.headers, response.querystring)
    operation = response._get_action()  # noqa: SLF001 - moto's only name for it
    if response.boto3_service_name == "sts" and (operation in NOT_JUDGED or _service_of(response)):
        return  # it is refused whoever asks, or `_take_roles` holds the role's trust against the service
    response.parse_parameters(response.normalized_request)
    iam.judge(key, response.boto3_service_name, operation, response.params)


def _know_refusals_in_every_service(patches: Patches) -> None:
    """moto warns of a code that the service's own model does not list; every service may answer these."""
    ours = [
        name
        for error in (AccessDeniedError, ExpiredTokenError, UnknownCredentialsError)
        for name in (error.code, error.query_code)
    ]
    patches.replace(errors, "COMMON_ERROR_CODES", [*errors.COMMON_ERROR_CODES, *ours])


def _judge_s3(patches: Patches, iam: Iam) -> None:
    """moto asks S3's permissions by resource "*" as well; S3 does not go through the door of the other services."""

    def judge(response: Any, bucket_name: str | None = None, key_name: str | None = None) -> None:
        try:
            iam.judge_s3(access_key_of(response.headers, response.querystring), _s3(response, bucket_name, key_name))
        except RefusedError as error:
            raise S3ClientError(error.s3_code, error.message) from error

    patches.replace(S3Response, "_authenticate_and_authorize_s3_action", judge)


def _s3(response: Any, bucket: str | None, key: str | None) -> S3Request:
    headers = {name.lower(): value for name, value in response.headers.items()}
    body: bytes = response.raw_body if key is None and response.raw_body else b""
    return S3Request(response.data["Action"], bucket, key, response.method, headers, response.querystring, body)


def _take_roles(patches: Patches, iam: Iam) -> None:
    """moto lets everybody assume everything, even roles that do not exist, and reads no session's policy."""

    def assume_role(response: Any) -> Any:
        for parameter in _NOT_EMULATED:
            if response.querystring.get(parameter):
                name = parameter.partition(".")[0]
                raise STSValidationError(f"local AWS does not emulate AssumeRole with {name}; give a Policy instead")
        service = _service_of(response)
        if service:
            iam.check_trust(response._get_param("RoleArn"), service)  # noqa: SLF001 - moto's only way to a parameter
        answer = original(response)
        if service:
            setattr(answer.result["Credentials"], TAKEN_BY, service)
        return answer

    original = patches.replace(TokenResponse, "assume_role", assume_role)


def _service_of(response: Any) -> str:
    """The embedded services hold no keys of their own: they come as the administrator and say who they are."""
    who = str(response._get_param("SourceIdentity") or "")  # noqa: SLF001 - moto's only way to a parameter
    is_administrator = access_key_of(response.headers, response.querystring) == ADMIN_KEY
    return who if is_administrator and who.endswith(".amazonaws.com") else ""


def _refuse_foreign_identities(patches: Patches) -> None:
    """moto gives keys to whoever shows any assertion at all, and sessions keys that belong to nobody."""

    def refuse(response: Any) -> Any:
        raise NotImplementedError(response._get_action())  # noqa: SLF001 - the gateway answers for it, by name

    for operation in NOT_JUDGED:
        patches.replace(TokenResponse, xform_name(operation), refuse)


def _keep_queue_policies(patches: Patches) -> None:
    """moto forgets a queue's policy whenever another attribute of the queue is set."""

    def set_attributes(queue: Queue, attributes: dict[str, Any], now: float | None = None) -> None:
        before = queue.policy if hasattr(queue, "_policy_json") else None
        original(queue, attributes, now)
        if "Policy" not in attributes:
            queue.policy = before

    original = patches.replace(Queue, "_set_attributes", set_attributes)


def _refusal(response: Any, error: ServiceException) -> Any:
    """The error in the service's own protocol, with the code and the status that this protocol has for it."""
    protocol = response.determine_response_protocol(get_service_model(response.boto3_service_name))
    in_query = protocol in {"query", "ec2"}
    if in_query and isinstance(error, RefusedError):
        error.code = error.query_code
    _, headers, body = response.serialized(ActionResult(error))
    status = _FORBIDDEN if protocol in {"query", "ec2", "rest-json", "rest-xml"} else _BAD_REQUEST
    headers["status"] = str(status)
    return status, headers, body
