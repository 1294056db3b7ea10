"""S3: path-style addressing on 127.0.0.1 and events as EventBridge's documentation spells them."""

import itertools
import threading
import uuid
from typing import Any

from moto import settings
from moto.iam.access_control import PermissionResult
from moto.s3 import models, notifications, utils
from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response

from local.event_delivery import EventDelivery
from local.moto_patches.patching import Patches
from local.operations import refused_subresources

_REASONS = {
    "Put": "PutObject",
    "Post": "POST Object",
    "Copy": "CopyObject",
    "CompleteMultipartUpload": "CompleteMultipartUpload",
}


def install(patches: Patches, delivery: EventDelivery) -> None:
    _read_buckets_from_the_path(patches)
    _announce_created_objects(patches, delivery)
    _complete_multipart_once(patches)
    _configure_buckets_from_templates(patches)
    _tell_of_event_bridge(patches)
    _read_no_bucket_policy(patches)
    _refuse_functions_as_targets(patches)
    _refuse_unknown_subresources(patches)


def _read_buckets_from_the_path(patches: Patches) -> None:
    """moto takes only `localhost` for a path-style host in every code path."""
    patches.replace(settings, "S3_IGNORE_SUBDOMAIN_BUCKETNAME", "true")
    patches.replace(utils, "S3_IGNORE_SUBDOMAIN_BUCKETNAME", "true")


def _read_no_bucket_policy(patches: Patches) -> None:
    """moto reads a bucket's policy without its conditions and principals, so "deny unless TLS" denies everyone."""
    patches.replace(models.FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)


def _refuse_functions_as_targets(patches: Patches) -> None:
    """moto would run the function in Docker and swallow that there is none."""

    def set_notification_configuration(self: models.FakeBucket, wanted: dict[str, Any] | None) -> None:
        if wanted and "CloudFunctionConfiguration" in wanted:
            message = "local AWS does not emulate S3 notifications of functions; use a rule of EventBridge"
            raise S3ClientError("NotImplemented", message)
        original(self, wanted)

    original = patches.replace(models.FakeBucket, "set_notification_configuration", set_notification_configuration)


def _refuse_unknown_subresources(patches: Patches) -> None:
    """moto takes an operation that it does not know for the one of the same method: PutBucketAnalyticsConfiguration
    creates a bucket, GetObjectTorrent gives the object."""
    refused = refused_subresources()

    def refuse(level: str, method: str, query: dict[str, Any]) -> None:
        if unknown := refused.get((level, method), frozenset()) & query.keys():
            raise NotImplementedError(f"S3 {method} ?{min(unknown)}")

    def set_action(self: S3Response, level: str, method: str, query: dict[str, Any]) -> None:
        refuse(level, method, query)
        set_original(self, level, method, query)

    def bucket_post(self: S3Response, *args: Any) -> Any:
        refuse("BUCKET", "POST", self.querystring)
        return post_original(self, *args)

    set_original = patches.replace(S3Response, "_set_action", set_action)
    post_original = patches.replace(S3Response, "_bucket_response_post", bucket_post)


def _announce_created_objects(patches: Patches, delivery: EventDelivery) -> None:
    """moto's events have a constant id and sequencer and reasons that S3 never gives, go to all buses and swallow
    errors; after every put comes one about tags."""
    # 16 hex digits, as S3's; they grow with time, so the events of one key compare as S3 promises.
    sequence = itertools.count(uuid.uuid1().time << 4)

    def send_event_bridge_message(
        account_id: str, bucket: models.FakeBucket, event_name: str, key: models.FakeKey
    ) -> None:
        _, kind, reason = str(getattr(event_name, "value", event_name)).split(":")
        if kind != "ObjectCreated":
            return
        stored = {"key": key.name, "size": key.size, "etag": key.etag.strip('"'), "sequencer": f"{next(sequence):018X}"}
        if bucket.is_versioned:
            stored["version-id"] = key.version_id
        detail = {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": stored,
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": account_id,
            "source-ip-address": "127.0.0.1",
            "reason": _REASONS[reason],
        }
        delivery.emit("aws.s3", "Object Created", detail, [bucket.arn])

    patches.replace(notifications, "_send_event_bridge_message", send_event_bridge_message)


def _complete_multipart_once(patches: Patches) -> None:
    """moto completes a multipart upload through put_object, so one upload says "Put" and "CompleteMultipartUpload"."""
    completing = threading.local()

    def complete(self: models.S3Backend, *args: Any, **named: Any) -> Any:
        completing.now = True
        try:
            return complete_original(self, *args, **named)
        finally:
            completing.now = False

    def put_object(self: models.S3Backend, *args: Any, **named: Any) -> Any:
        if getattr(completing, "now", False):
            named["disable_notification"] = True
        return put_original(self, *args, **named)

    complete_original = patches.replace(models.S3Backend, "complete_multipart_upload", complete)
    put_original = patches.replace(models.S3Backend, "put_object", put_object)


def _configure_buckets_from_templates(patches: Patches) -> None:
    """moto's AWS::S3::Bucket drops NotificationConfiguration and VersioningConfiguration."""

    def create(_cls: Any, resource_name: str, cloudformation_json: Any, *rest: Any, **named: Any) -> Any:
        return configured(create_original(resource_name, cloudformation_json, *rest, **named), cloudformation_json)

    def update(_cls: Any, original: Any, new_name: str, cloudformation_json: Any, *rest: Any, **named: Any) -> Any:
        return configured(update_original(original, new_name, cloudformation_json, *rest, **named), cloudformation_json)

    create_original = patches.replace(models.FakeBucket, "create_from_cloudformation_json", classmethod(create))
    update_original = patches.replace(models.FakeBucket, "update_from_cloudformation_json", classmethod(update))


def _tell_of_event_bridge(patches: Patches) -> None:
    """GetBucketNotificationConfiguration leaves out that a bucket tells EventBridge of its objects.

    Source: the S3 API reference, where the answer has `EventBridgeConfiguration` as an empty element.
    """

    def serialized(self: S3Response, result: Any) -> Any:
        if self.data.get("Action") == "GetBucketNotificationConfiguration":
            wanted = self.backend.get_bucket_notification_configuration(self.bucket_name)
            if wanted is not None and wanted.event_bridge is not None:
                result.result["EventBridgeConfiguration"] = {}
        return original(self, result)

    original = patches.replace(S3Response, "serialized", serialized)


def configured(bucket: models.FakeBucket, cloudformation_json: Any) -> models.FakeBucket:
    properties = cloudformation_json.get("Properties", {})
    if "EventBridgeConfiguration" in properties.get("NotificationConfiguration", {}):
        bucket.set_notification_configuration({"EventBridgeConfiguration": {}})
    if status := properties.get("VersioningConfiguration", {}).get("Status"):
        bucket.versioning_status = status
    return bucket
