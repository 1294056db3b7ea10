"""Who is who in the account, and which policies are whose: read from where moto keeps it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from moto.awslambda.models import lambda_backends
from moto.core.resource_tagging import iter_taggable_backends
from moto.ecr.models import ecr_backends
from moto.events.models import events_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import FakeKey, s3_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.sts.models import sts_backends

from local.iam.policy import Document, Names
from local.world import ACCOUNT, ADMIN_KEY, REGION

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
_EVERYTHING: Document = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
TAKEN_BY = "taken_by_service"
"""Attribute of a session: the service that took the role for itself, as `lambda.amazonaws.com`."""


@dataclass(frozen=True)
class Caller:
    """Who signed a request, with everything that limits or allows them."""

    arn: str
    """As GetCallerIdentity says it: a user, or an assumed role's session."""
    role_arn: str | None = None
    """None for users."""
    identity: tuple[Document, ...] = ()
    boundary: tuple[Document, ...] | None = None
    session: tuple[Document, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    expires: datetime | None = None
    """When the credentials end, on the wall clock, as AssumeRole told the caller; None if they do not."""
    is_administrator: bool = False

    @property
    def names(self) -> Names:
        """Under which names a resource's policy may know the caller."""
        role = frozenset([self.role_arn]) if self.role_arn else frozenset[str]()
        return Names(own=frozenset([self.arn]), role=role, account=frozenset([ACCOUNT, ROOT]))

    @property
    def keys(self) -> dict[str, str]:
        """Its condition keys."""
        kind = "AssumedRole" if self.role_arn else "User"
        known = {
            "aws:PrincipalArn": self.role_arn or self.arn,
            "aws:PrincipalAccount": ACCOUNT,
            "aws:PrincipalType": kind,
            "aws:PrincipalIsAWSService": "false",
        }
        if not self.role_arn:
            known["aws:username"] = self.arn.rsplit("/", 1)[-1]
        return known | {f"aws:PrincipalTag/{name}": value for name, value in self.tags.items()}


def find_caller(access_key: str) -> Caller | None:
    """The holder of an access key; None if it is nobody's."""
    if access_key == ADMIN_KEY:
        arn = f"arn:aws:iam::{ACCOUNT}:user/administrator"
        return Caller(arn, identity=(_EVERYTHING,), is_administrator=True)
    session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
    if session is not None:
        return _of_session(session)
    user = iam_backends[ACCOUNT]["aws"].get_user_from_access_key_id(access_key) if access_key else None
    return _of_user(user) if user is not None else None


def _of_session(session: Any) -> Caller:
    role = find_role(session.role_arn)
    return Caller(
        session.arn,
        session.role_arn,
        identity=tuple(_policies_of(role)) if role else (),
        boundary=_boundary_of(role) if role else None,
        session=(document(session.policy),) if session.policy else None,
        tags=_tags(role) if role else {},
        expires=None if getattr(session, TAKEN_BY, None) else session.expiration,
    )


def _of_user(user: Any) -> Caller:
    groups = [group for group in iam_backends[ACCOUNT]["aws"].groups.values() if user in group.users]
    identity = [policy for holder in (user, *groups) for policy in _policies_of(holder)]
    tags = iam_backends[ACCOUNT]["aws"].tagger.get_tag_dict_for_resource(user.arn)
    return Caller(user.arn, identity=tuple(identity), tags=tags)


def find_role(role_arn: str) -> Any:
    """moto's role; None if there is none."""
    roles = iam_backends[ACCOUNT]["aws"].roles.values()
    return next((role for role in roles if role.arn == role_arn), None)


def trust_policy(role: Any) -> Document:
    return document(role.assume_role_policy_document)


def document(policy: Any) -> Document:
    """A policy document in whatever form moto keeps it."""
    if isinstance(policy, Mapping):
        return policy
    text = policy.decode() if isinstance(policy, bytes) else str(policy)
    parsed: Document = json.loads(unquote(text) if text.startswith("%") else text)
    return parsed


def _policies_of(holder: Any) -> list[Document]:
    """Every identity policy of a role, user or group, inline and attached."""
    inline = holder.policies.values()
    attached = holder.managed_policies.values()
    return [document(policy) for policy in inline] + [_default_version(policy) for policy in attached]


def _boundary_of(holder: Any) -> tuple[Document, ...] | None:
    arn = holder.permissions_boundary_arn
    if not arn:
        return None
    policy = iam_backends[ACCOUNT]["aws"].managed_policies.get(arn)
    # A boundary that was deleted allows nothing.
    return (_default_version(policy),) if policy is not None else ()


def _default_version(policy: Any) -> Document:
    return next(document(version.document) for version in policy.versions if version.is_default)


def _tags(role: Any) -> dict[str, str]:
    tags = role.tags.values() if isinstance(role.tags, dict) else role.tags or []  # moto has both
    return {tag["Key"]: tag["Value"] for tag in tags}


def tags_of(resource: str) -> dict[str, str]:
    """The tags of any resource that moto keeps, by its ARN."""
    if role := find_role(resource):
        return _tags(role)
    for backend in iter_taggable_backends(ACCOUNT, REGION):
        if backend.owns_arn(resource):
            return next((dict(found.tags) for found in backend.iter_tagged_resources() if found.arn == resource), {})
    return {}


# Policies of resources ------------------------------------------------------------------------------------------------


def resource_policies(arn: str) -> list[Document]:
    """The policy of the bucket, queue, topic, key, function, repository, event bus or role that an ARN names."""
    service, _, resource = _parts(arn)
    read = _READERS.get(service)
    policy = read(resource) if read else None
    return [document(policy)] if policy else []


def _parts(arn: str) -> tuple[str, str, str]:
    """Service, account and resource of an ARN; of anything else the first is empty."""
    parts = arn.split(":", 5)
    return (parts[2], parts[4], parts[5]) if len(parts) == 6 else ("", "", "")  # noqa: PLR2004 - an ARN's parts


def account_of(arn: str) -> str:
    """The account that an ARN names; empty where ARNs name none, as for buckets."""
    return _parts(arn)[1]


def _of_bucket(resource: str) -> Any:
    found = bucket(resource.split("/", 1)[0])
    return found.policy if found is not None else None


def _of_queue(resource: str) -> Any:
    queue = sqs_backends[ACCOUNT][REGION].queues.get(resource)
    return queue.policy if queue is not None else None


def _of_topic(resource: str) -> Any:
    found = topic(f"arn:aws:sns:{REGION}:{ACCOUNT}:{resource}")
    return found.policy if found is not None else None


def _of_key(resource: str) -> Any:
    found = key(resource)
    return found.policy if found is not None else None


def _of_function(resource: str) -> Any:
    _, name, *_ = resource.split(":")
    functions = lambda_backends[ACCOUNT][REGION]
    found = next((function for function in functions.list_functions() if function.function_name == name), None)
    return {"Version": "2012-10-17", "Statement": found.policy.statements} if found is not None else None


def _of_repository(resource: str) -> Any:
    repository = ecr_backends[ACCOUNT][REGION].repositories.get(resource.removeprefix("repository/"))
    return repository.policy if repository is not None else None


def _of_bus(resource: str) -> Any:
    bus = events_backends[ACCOUNT][REGION].event_buses.get(resource.removeprefix("event-bus/"))
    return bus.policy if bus is not None else None


def _of_role(resource: str) -> Any:
    role = find_role(f"arn:aws:iam::{ACCOUNT}:{resource}")
    return role.assume_role_policy_document if role is not None else None


_READERS = {
    "s3": _of_bucket,
    "sqs": _of_queue,
    "sns": _of_topic,
    "kms": _of_key,
    "lambda": _of_function,
    "ecr": _of_repository,
    "events": _of_bus,
    "iam": _of_role,
}
RESOURCE_POLICIES = tuple(sorted(_READERS))


# What has a key of KMS ------------------------------------------------------------------------------------------------


def bucket(name: str) -> Any:
    return s3_backends[ACCOUNT]["aws"].buckets.get(name)


def stored(bucket_name: str, name: str, version: str | None = None) -> Any:
    """An object of S3; None if it is not there or deleted."""
    found = bucket(bucket_name)
    if found is None:
        return None
    versions: Iterable[Any] = found.keys.getlist(name) if name in found.keys else ()
    objects = [item for item in versions if isinstance(item, FakeKey)]
    if version:
        return next((item for item in objects if item.version_id == version), None)
    newest = found.keys.get(name)
    return newest if isinstance(newest, FakeKey) else None


def object_tags(found: Any) -> dict[str, str]:
    tags: dict[str, str] = s3_backends[ACCOUNT]["aws"].tagger.get_tag_dict_for_resource(found.arn)
    return tags


def topic(arn: str) -> Any:
    return sns_backends[ACCOUNT][REGION].topics.get(arn)


def queue(name: str) -> Any:
    return sqs_backends[ACCOUNT][REGION].queues.get(name)


def key(name: str) -> Any:
    """A customer's key of KMS by id, ARN or alias; None if there is none, as with the keys that AWS manages."""
    if name.startswith("arn:") and not name.startswith("arn:aws:kms:"):
        return None
    keys = kms_backends[ACCOUNT][REGION].keys
    short = name.rpartition(":")[2].removeprefix("key/")
    found = keys.get(short) or next((each for each in keys.values() if short in each.aliases), None)
    managed = found is not None and any(alias.startswith("alias/aws/") for alias in found.aliases)
    return None if managed else found
