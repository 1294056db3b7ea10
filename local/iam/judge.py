"""Least privilege on one machine: a caller may do what the policies allow, here as on AWS."""

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local.iam import account
from local.iam.account import Caller
from local.iam.conditions import Context, UnsupportedPolicyError, Value
from local.iam.encryption import key_needs, key_needs_of
from local.iam.errors import AccessDeniedError, ExpiredTokenError, UnknownCredentialsError
from local.iam.policy import Effect, Names, Policies, Request, decide, why_denied
from local.iam.resources import Need, needs
from local.iam.s3 import S3Request, s3_needs
from local.world import ACCOUNT, ADMIN_KEY, REGION, World

# Everybody may ask these, whatever the policies say.
_FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
# Services that ask in the name of the resource's owner, which is what a topic's first policy allows.
# Source: "Amazon SNS access policies": the default policy's condition on AWS:SourceOwner.
_FOR_THE_OWNER = frozenset({"cloudwatch.amazonaws.com"})


class Iam:
    """Judges every request of the embedded AWS.

    Every permission that a role used is written to `<state_dir>/iam-usage.jsonl`, one JSON object per line with
    `role`, `action`, `resource` and `allowed`, each once, so that grants can be compared with use.
    """

    def __init__(self, world: World) -> None:
        self._usage = world.state_dir / "iam-usage.jsonl"
        self._used: set[tuple[str, str, str, bool]] = set()
        self._lock = threading.Lock()

    def authorize(
        self, access_key: str, action: str, resource: str = "*", context: Mapping[str, Value] | None = None
    ) -> None:
        """Return if the holder of the key may do this.

        Args:
            action: as in a policy, `sagemaker:CreateModel`.
            resource: an ARN, or `*` for an action that has no resource.
            context: condition keys of the action, such as `iam:PassedToService`.

        Raises:
            AccessDeniedError: no policy allows it, one denies it, or one uses what is not evaluated here.
            UnknownCredentialsError: nobody has this key.
            ExpiredTokenError: the session ended.
        """
        self.require(self.caller(access_key), Need(action, resource, context or {}))

    def authorize_service(
        self, service: str, action: str, resource: str, context: Mapping[str, Value] | None = None
    ) -> None:
        """Return if the resource's own policy lets an AWS service do this; of no other policy is asked.

        For a service that comes without a role: EventBridge to a queue, a topic or a function, SNS to a queue, an
        alarm to a topic. One that comes with a role takes `World.role_credentials` instead.

        Args:
            service: the principal, as `events.amazonaws.com`.
            resource: the ARN of a queue, topic, key, function (with its alias if it is addressed by one), bucket,
                repository or event bus.
            context: `aws:SourceArn` is the ARN of the rule, topic or alarm on whose behalf the service comes.

        Raises:
            AccessDeniedError: as AWS words it.
        """
        self._of_one_account(service, action, resource)
        for need in (Need(action, resource, context or {}), *key_needs_of(action, resource)):
            policies = Policies(resource=account.resource_policies(need.resource), resource_must_allow=True)
            keys = {
                "aws:PrincipalIsAWSService": "true",
                "aws:PrincipalServiceName": service,
                "aws:SourceAccount": ACCOUNT,
                **({"aws:SourceOwner": ACCOUNT} if service in _FOR_THE_OWNER else {}),
                **need.context,
                **{name: value for name, value in (context or {}).items() if name.startswith("aws:Source")},
            }
            request = Request(need.action, need.resource, _context(keys, need))
            names = Names(own=frozenset([service]), account=frozenset(), role=frozenset())
            if why := _judged(service, request, names, policies):
                raise AccessDeniedError(f"{_sentence(service, need)} {why}")

    def caller(self, access_key: str) -> Caller:
        """Raises UnknownCredentialsError if nobody has this key, ExpiredTokenError if its session ended."""
        caller = account.find_caller(access_key)
        if caller is None:
            raise UnknownCredentialsError(
                f"The security token included in the request is invalid: access key {access_key!r} is nobody's. "
                f"The administrator's is {ADMIN_KEY!r}; a role's comes from sts:AssumeRole."
            )
        if caller.expires is not None and caller.expires < datetime.now(UTC).replace(tzinfo=None):
            raise ExpiredTokenError(
                f"The security token included in the request is expired: it ended at {caller.expires:%H:%M:%S} UTC"
            )
        return caller

    def require(self, caller: Caller, need: Need) -> None:
        """Return if every policy that has a say lets the caller do this.

        Raises:
            AccessDeniedError: as AWS words it.
        """
        if need.action in _FREE:
            return
        self._of_one_account(caller.arn, need.action, need.resource)
        policies = Policies(
            identity=caller.identity,
            resource=account.resource_policies(need.resource) if _has_a_say(need) else (),
            boundary=caller.boundary,
            session=caller.session,
            resource_must_allow=_rules_itself(need),
        )
        common = {
            # Nothing leaves this machine, so loopback counts as a protected transport.
            "aws:SecureTransport": "true",
            "aws:RequestedRegion": REGION,
            "aws:SourceIp": "127.0.0.1",
            "aws:CurrentTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "aws:EpochTime": str(int(datetime.now(UTC).timestamp())),
            "aws:ResourceAccount": ACCOUNT,
            **caller.keys,
        }
        request = Request(need.action, need.resource, _context(common | dict(need.context), need))
        why = _judged(caller.arn, request, caller.names, policies)
        self._record(caller, need, allowed=why is None)
        if why:
            raise AccessDeniedError(f"{_sentence(f'User: {caller.arn}', need)} {why}")

    def judge(self, access_key: str, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        """Return if the holder of the key may make this request to a service other than S3 and SageMaker.

        Raises:
            RefusedError: AccessDeniedError, UnknownCredentialsError or ExpiredTokenError.
        """
        caller = self.caller(access_key)
        for need in (*needs(service, operation, parameters), *key_needs(service, operation, parameters)):
            if need.action == "sts:AssumeRole" and caller.is_administrator:
                self._assumable(need.resource)
                continue
            self.require(caller, need)

    def judge_s3(self, access_key: str, request: S3Request) -> None:
        """As `judge`, for a request to S3."""
        caller = self.caller(access_key)
        if request.bucket and request.action != "CreateBucket" and account.bucket(request.bucket) is None:
            return  # S3 tells everybody that a bucket does not exist, as the names are the world's
        for need in s3_needs(request):
            self.require(caller, need)
        if request.action == "GetObject" and request.key and account.stored(request.bucket or "", request.key) is None:
            # Whoever may not list a bucket may not learn what it lacks: S3 answers 403 instead of 404.
            self.require(caller, Need("s3:ListBucket", f"arn:aws:s3:::{request.bucket}"))

    def check_trust(self, role_arn: str, service: str, context: Mapping[str, Value] | None = None) -> None:
        """Return if the role's trust policy lets this service take it, as `lambda.amazonaws.com`.

        Raises:
            AccessDeniedError: it does not, or there is no such role.
        """
        role = account.find_role(role_arn)
        keys: dict[str, Value] = {"aws:SourceAccount": ACCOUNT, "aws:PrincipalIsAWSService": "true", **(context or {})}
        request = Request("sts:AssumeRole", role_arn, Context(keys))
        trusted = role is not None and decide([account.trust_policy(role)], request, [service, "*"]) is Effect.ALLOW
        if not trusted:
            raise AccessDeniedError(
                f"{service} is not authorized to perform: sts:AssumeRole on resource: {role_arn} "
                "because the role does not exist or its trust policy does not name the service"
            )

    @staticmethod
    def _assumable(role_arn: str) -> None:
        """The administrator may try every role that there is, so that a person can see what it may do."""
        if account.find_role(role_arn) is None:
            administrator = f"arn:aws:iam::{ACCOUNT}:user/administrator"
            raise AccessDeniedError(
                f"User: {administrator} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
            )

    @staticmethod
    def _of_one_account(who: str, action: str, resource: str) -> None:
        owner = account.account_of(resource)
        if owner not in {"", ACCOUNT, "aws", "*"}:
            raise AccessDeniedError(
                f"{who} is not authorized to perform: {action} on resource: {resource} because the local AWS has one "
                f"account, {ACCOUNT}, and does not emulate access to another, {owner}"
            )

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


def _has_a_say(need: Need) -> bool:
    """A role's own policy speaks of who may assume it, not of who may change it."""
    return not need.resource.startswith("arn:aws:iam::") or need.action.startswith("sts:")


def _rules_itself(need: Need) -> bool:
    """Whether without a word of the resource's own policy even the account's policies say nothing.

    Source: "Key policies in AWS KMS"; "Trust policies" under "Roles terms and concepts" in the IAM User Guide.
    """
    # Whoever asks for a key that does not exist is told so by KMS.
    return account.key(need.resource) is not None or need.action.startswith("sts:AssumeRole")


def _context(keys: Mapping[str, Value], need: Need) -> Context:
    return Context(keys, {"aws:ResourceTag": lambda: account.tags_of(need.resource), **need.families})


def _judged(who: str, request: Request, names: Names, policies: Policies) -> str | None:
    try:
        return why_denied(request, names, policies)
    except UnsupportedPolicyError as error:
        said = f"{who} is not authorized to perform: {request.action} on resource: {request.resource}"
        raise AccessDeniedError(f"{said} because {error}") from error


def _sentence(who: str, need: Need) -> str:
    return f"{who} is not authorized to perform: {need.action} on resource: {need.resource}"
