"""Whoever reads or writes what a customer's key of KMS protects needs that key as well, through the service.

Source: "Using server-side encryption with AWS KMS keys" (S3), "Key management" (SQS) and "Managing Amazon SNS
encryption keys and costs" (SNS); the keys that AWS manages itself are open to the whole account and need nothing.
"""

from collections.abc import Callable, Iterator, Mapping

from local.iam import account
from local.iam.keys import Parameters
from local.iam.resources import Need
from local.world import ACCOUNT, REGION


def key_need(action: str, key: str, service: str, said: Mapping[str, str] | None = None) -> Iterator[Need]:
    """The permission on a key, asked for by a service on the caller's behalf; none for a key that AWS manages.

    Args:
        key: id, ARN or alias.
        said: the encryption context that the service gives.
    """
    found = account.key(key)
    if found is None:
        return
    keys = {"kms:ViaService": f"{service}.{REGION}.amazonaws.com", "kms:CallerAccount": ACCOUNT}
    keys |= {f"kms:EncryptionContext:{name}": value for name, value in (said or {}).items()}
    yield Need(action, found.arn, keys)


def _to_queue(parameters: Parameters) -> Iterator[Need]:
    yield from _of_queue(parameters, ("kms:GenerateDataKey", "kms:Decrypt"))


def _from_queue(parameters: Parameters) -> Iterator[Need]:
    yield from _of_queue(parameters, ("kms:Decrypt",))


def _of_queue(parameters: Parameters, actions: tuple[str, ...]) -> Iterator[Need]:
    found = account.queue(str(parameters.get("QueueUrl", "")).rsplit("/", 1)[-1])
    if found is not None and found.kms_master_key_id:
        for action in actions:
            yield from key_need(action, found.kms_master_key_id, "sqs")


def _to_topic(parameters: Parameters) -> Iterator[Need]:
    found = account.topic(str(parameters.get("TopicArn") or parameters.get("TargetArn") or ""))
    if found is not None and found.kms_master_key_id:
        for action in ("kms:GenerateDataKey", "kms:Decrypt"):
            yield from key_need(action, found.kms_master_key_id, "sns")


_KEYS: dict[tuple[str, str], Callable[[Parameters], Iterator[Need]]] = {
    ("sqs", "SendMessage"): _to_queue,
    ("sqs", "SendMessageBatch"): _to_queue,
    ("sqs", "ReceiveMessage"): _from_queue,
    ("sns", "Publish"): _to_topic,
    ("sns", "PublishBatch"): _to_topic,
}


def key_needs(service: str, operation: str, parameters: Parameters) -> list[Need]:
    """The permissions on keys that a request to SQS or SNS needs besides its own."""
    read = _KEYS.get((service, operation))
    return list(read(parameters)) if read else []


def key_needs_of(action: str, resource: str) -> list[Need]:
    """The same for an action on a resource that is known by its ARN."""
    service, _, operation = action.partition(":")
    return key_needs(service, operation, {"TopicArn": resource, "QueueUrl": resource.replace(":", "/")})
