"""Least privilege on one machine: a role may do what its policies allow, here as on AWS.

The administrator's keys may do everything that no resource policy denies. moto 5.2.5 compares nearly every request
with resource "*" and denies statements with conditions, so its own check is replaced.
"""

import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from moto.core import errors
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model
from moto.iam.models import iam_backends
from moto.s3.exceptions import S3AccessDeniedError
from moto.s3.models import FakeKey, s3_backends
from moto.s3.responses import S3Response
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse

from local.iam_policy import Effect, Request, UnsupportedPolicyError, decide
from local.iam_resources import Need, needs, s3_needs
from local.moto_patches.patching import Patches
from local.world import ACCOUNT, ADMIN_KEY, REGION, World

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/")
_DELETED_KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)
# Everybody may ask these, whatever the policies say.
_FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
_ROOT = f"arn:aws:iam::{ACCOUNT}:root"


class AccessDeniedError(ServiceException):
    """The caller may not do this; the message names who, what, on what and which kind of policy said so."""

    code = "AccessDeniedException"


class UnknownCredentialsError(ServiceException):
    """The request's access key belongs to nobody here; `slipway local env` prints the administrator's."""

    code = "UnrecognizedClientException"


@dataclass(frozen=True)
class Caller:
    arn: str
    """As GetCallerIdentity says it: an assumed role's session."""
    role_arn: str | None
    """None for the administrator."""

    @property
    def principals(self) -> list[str]:
        """The names under which a resource policy may know the caller."""
        return [self.arn, ACCOUNT, _ROOT, *([self.role_arn] if self.role_arn else [])]

    @property
    def context(self) -> dict[str, str]:
        return {"aws:PrincipalArn": self.role_arn or self.arn, "aws:PrincipalAccount": ACCOUNT}


class Iam:
    """Judges every request of the embedded AWS.

    Every permission that a role used is written to `<state_dir>/iam-usage.jsonl`, one JSON object per line with
    `role`, `action`, `resource` and `allowed`, each once, so that grants can be compared with use.
    """

    def __init__(self, world: World) -> None:
        self._usage = world.state_dir / "iam-usage.jsonl"
        self._used: set[tuple[str, str, str, bool]] = set()
        self._lock = threading.Lock()

    def install(self, patches: Patches) -> None:
        """Put this judgement where moto has its own."""
        self._judge_calls(patches)
        self._judge_s3(patches)
        self._judge_trust(patches)

    def authorize(
        self, access_key: str, action: str, resource: str = "*", context: Mapping[str, str] | None = None
    ) -> None:
        """Return if the holder of the key may do this.

        Args:
            action: as in a policy, `sagemaker:CreateModel`.
            resource: an ARN, or `*` for an action that has no resource.
            context: condition keys of the action, such as `iam:PassedToService`.

        Raises:
            AccessDeniedError: no policy allows it, one denies it, or one uses what is not evaluated here.
            UnknownCredentialsError: nobody has this key.
        """
        self._require(self.caller(access_key), Need(action, resource, dict(context or {})))

    def caller(self, access_key: str) -> Caller:
        """Raises UnknownCredentialsError if nobody has this key."""
        if access_key == ADMIN_KEY:
            return Caller(f"arn:aws:iam::{ACCOUNT}:user/administrator", None)
        session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
        if session is None:
            raise UnknownCredentialsError(
                f"The security token included in the request is invalid: access key {access_key!r} is nobody's. "
                f"The administrator's is {ADMIN_KEY!r}; a role's comes from sts:AssumeRole."
            )
        return Caller(session.arn, session.role_arn)

    def check_trust(self, role_arn: str, service: str) -> None:
        """Raise AccessDeniedError unless the role's trust policy names this service, as `lambda.amazonaws.com`."""
        if not self._trusts(role_arn, [service], {}):
            raise AccessDeniedError(
                f"{service} is not authorized to perform: sts:AssumeRole on resource: {role_arn} "
                "because the role does not exist or its trust policy does not name the service"
            )

    # What a caller may do --------------------------------------------------------------------------------------------

    def _require(self, caller: Caller, need: Need, resource_policies: Iterable[Mapping[str, Any]] = ()) -> None:
        if need.action in _FREE:
            return
        request = Request(need.action, need.resource, self._context(caller, need))
        try:
            by_resource = decide(resource_policies, request, caller.principals)
            by_identity = Effect.ALLOW if caller.role_arn is None else decide(policies_of(caller.role_arn), request)
        except UnsupportedPolicyError as error:
            said = f"User: {caller.arn} is not authorized to perform: {need.action} on resource: {need.resource}"
            raise AccessDeniedError(f"{said} because {error}") from error
        allowed = Effect.DENY not in {by_resource, by_identity} and Effect.ALLOW in {by_resource, by_identity}
        self._record(caller, need, allowed=allowed)
        if not allowed:
            raise AccessDeniedError(_sentence(caller, need, by_identity, by_resource))

    def _context(self, caller: Caller, need: Need) -> dict[str, str]:
        # Nothing leaves this machine, so loopback counts as a protected transport.
        common = {"aws:SecureTransport": "true", "aws:RequestedRegion": REGION, "aws:SourceIp": "127.0.0.1"}
        return {**common, **caller.context, **need.context}

    def _record(self, caller: Caller, need: Need, *, allowed: bool) -> None:
        if caller.role_arn is None:
            return
        entry = (caller.role_arn, need.action, need.resource, allowed)
        with self._lock:
            if entry in self._used:
                return
            self._used.add(entry)
            line = dict(zip(("role", "action", "resource", "allowed"), entry, strict=True))
            self._usage.parent.mkdir(parents=True, exist_ok=True)
            with self._usage.open("a") as file:
                file.write(json.dumps(line) + "\n")

    def _trusts(self, role_arn: str, principals: list[str], context: Mapping[str, str]) -> bool:
        role = _role(role_arn)
        if role is None:
            return False
        document = _document(role.assume_role_policy_document)
        return decide([document], Request("sts:AssumeRole", role_arn, context), principals) is Effect.ALLOW

    # Where moto asks -------------------------------------------------------------------------------------------------

    def _judge_calls(self, patches: Patches) -> None:
        """moto judges by resource "*"; here by the request's ARNs, refused in the service's own protocol."""

        def call_action(response: BaseResponse) -> Any:
            try:
                self._judge(response)
            except ServiceException as error:
                return _refusal(response, error)
            return original(response)

        original = patches.replace(BaseResponse, "call_action", call_action)
        # Every service may answer these; moto warns of a code that the service's own model does not list.
        common = [*errors.COMMON_ERROR_CODES, "AccessDenied", AccessDeniedError.code, UnknownCredentialsError.code]
        patches.replace(errors, "COMMON_ERROR_CODES", common)

    def _judge(self, response: Any) -> None:
        caller = self.caller(access_key_of(response.headers, response.querystring))
        if caller.role_arn is None:
            return
        response.parse_parameters(response.normalized_request)
        for need in needs(response.boto3_service_name, response._get_action(), response.params):  # noqa: SLF001 - moto's only name for it
            self._require(caller, need)

    def _judge_s3(self, patches: Patches) -> None:
        """S3 does not go through the door that the other services share."""

        def judge(response: Any, bucket_name: str | None = None, key_name: str | None = None) -> None:
            try:
                self._judge_s3_request(response, bucket_name, key_name)
            except ServiceException as error:
                denied = S3AccessDeniedError()
                denied.message = error.message
                raise denied from error

        patches.replace(S3Response, "_authenticate_and_authorize_s3_action", judge)

    def _judge_s3_request(self, response: Any, bucket_name: str | None, key_name: str | None) -> None:
        caller = self.caller(access_key_of(response.headers, response.querystring))
        headers = {name.lower(): value for name, value in response.headers.items()}
        action = response.data["Action"]
        if bucket_name and action != "CreateBucket" and _bucket(bucket_name) is None:
            return  # S3 tells everybody that a bucket does not exist, as the names are the world's
        keys = [key_name]
        if action == "DeleteObject" and key_name is None:
            keys = [unquote(key.decode()) for key in _DELETED_KEY.findall(response.raw_body or b"")]
        for key in keys:
            for need in s3_needs(action, bucket_name, key, headers, response.querystring):
                self._require(caller, need, _bucket_policies(need.resource))
        if action == "GetObject" and key_name and not _exists(bucket_name, key_name):
            # Whoever may not list a bucket may not learn what it lacks: S3 answers 403 instead of 404.
            self._require(
                caller,
                Need("s3:ListBucket", f"arn:aws:s3:::{bucket_name}"),
                _bucket_policies(f"arn:aws:s3:::{bucket_name}"),
            )

    def _judge_trust(self, patches: Patches) -> None:
        """moto lets everybody assume everything, even roles that do not exist."""

        def assume_role(response: Any) -> Any:
            role_arn = response._get_param("RoleArn")  # noqa: SLF001 - moto's only way to a parameter
            service = response._get_param("SourceIdentity") or ""  # noqa: SLF001
            caller = self.caller(access_key_of(response.headers, response.querystring))
            if caller.role_arn is None and service.endswith(".amazonaws.com"):
                # The embedded services hold no keys of their own: they come as the administrator and say who they are.
                self.check_trust(role_arn, service)
                return original(response)
            trusted = _role(role_arn) is not None and (
                caller.role_arn is None or self._trusts(role_arn, caller.principals, caller.context)
            )
            if not trusted:
                raise AccessDeniedError(
                    f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
                )
            return original(response)

        original = patches.replace(TokenResponse, "assume_role", assume_role)


def access_key_of(headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    """The access key that signed a request; empty if it carries no signature."""
    signed = _CREDENTIAL.search(headers.get("Authorization", ""))
    if signed:
        return signed[1]
    presigned = query.get("X-Amz-Credential") or query.get("AWSAccessKeyId") or [""]
    return str(presigned[0] if isinstance(presigned, list) else presigned).split("/")[0]


def policies_of(role_arn: str) -> list[Mapping[str, Any]]:
    """Every identity policy of a role, inline and attached; none if the role is gone."""
    role = _role(role_arn)
    if role is None:
        return []
    managed = role.managed_policies.values()
    attached = [version.document for policy in managed for version in policy.versions if version.is_default]
    return [_document(policy) for policy in [*role.policies.values(), *attached]]


def _role(role_arn: str) -> Any:
    roles = iam_backends[ACCOUNT]["aws"].roles.values()
    return next((role for role in roles if role.arn == role_arn), None)


def _document(policy: Any) -> Mapping[str, Any]:
    if isinstance(policy, dict):
        return policy
    document: Mapping[str, Any] = json.loads(unquote(policy) if policy.startswith("%") else policy)
    return document


def _bucket_policies(resource: str) -> list[Mapping[str, Any]]:
    name = resource.removeprefix("arn:aws:s3:::").split("/", 1)[0]
    bucket = _bucket(name)
    return [_document(bucket.policy.decode())] if bucket is not None and bucket.policy else []


def _exists(bucket_name: str | None, key_name: str) -> bool:
    bucket = _bucket(bucket_name or "")
    return bucket is not None and isinstance(bucket.keys.get(key_name), FakeKey)


def _bucket(name: str) -> Any:
    return s3_backends[ACCOUNT]["aws"].buckets.get(name)


def _sentence(caller: Caller, need: Need, by_identity: Effect, by_resource: Effect) -> str:
    said = f"User: {caller.arn} is not authorized to perform: {need.action} on resource: {need.resource}"
    if by_resource is Effect.DENY:
        return f"{said} with an explicit deny in a resource-based policy"
    if by_identity is Effect.DENY:
        return f"{said} with an explicit deny in an identity-based policy"
    return f"{said} because no identity-based policy allows the {need.action} action"


def _refusal(response: Any, error: ServiceException) -> Any:
    """The error in the service's own protocol, with the code and the status that this protocol has for it."""
    protocol = response.determine_response_protocol(get_service_model(response.boto3_service_name))
    if protocol in {"query", "ec2"} and isinstance(error, AccessDeniedError):
        error.code = "AccessDenied"
    _, headers, body = response.serialized(ActionResult(error))
    status = 403 if protocol in {"query", "ec2", "rest-json", "rest-xml"} else 400
    headers["status"] = str(status)
    return status, headers, body
