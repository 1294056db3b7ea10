"""Telling people, through the notification topic on SNS: by mail in words, to everything else in JSON."""

import json
from typing import TYPE_CHECKING, Any

from release.adapters.aws import translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sns import SNSClient

    from release.contracts.machines import Notification
    from release.contracts.sweep import DriftFound

_SUBJECT_LENGTH = 100  # SNS's limit


class SnsNotices:
    def __init__(self, client: "SNSClient", *, topic_arn: str) -> None:
        self._client = client
        self._topic = topic_arn

    def tell(self, notification: "Notification") -> None:
        subject = f"{notification.endpoint}: release {notification.release_id} is {notification.phase}"
        mail = _mail(notification.reason, notification.evidence, undo=notification.undo, look=notification.look)
        self._publish(f"rollout {notification.rollout_id}", subject, mail, notification.wire())

    def drift_found(self, drift: "DriftFound") -> None:
        subject = f"{drift.endpoint}: {drift.kind}{', mended' if drift.mended else ''}"
        mail = _mail(drift.reason, (), undo=drift.undo, look=drift.look)
        self._publish(f"the drift of {drift.subject}", subject, mail, drift.wire())

    def _publish(self, what: str, subject: str, mail: str, message: "dict[str, Any]") -> None:
        # https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html:
        # who has no text of his own protocol's name gets the default.
        texts = {"default": json.dumps(message), "email": mail}
        with translated(f"telling about {what}"):
            self._client.publish(
                TopicArn=self._topic,
                Subject=subject[:_SUBJECT_LENGTH],
                Message=json.dumps(texts),
                MessageStructure="json",
            )


def _mail(reason: str, evidence: "Sequence[str]", *, undo: str, look: str) -> str:
    """The commands stand alone on their lines, to be copied."""
    lines = [reason, *evidence]
    lines += ["", "To undo it:", undo] if undo else []
    lines += ["", "To look further:", look] if look else []
    return "\n".join(lines)
