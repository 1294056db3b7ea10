"""Telling people, through the notification topic on SNS."""

import json
from typing import TYPE_CHECKING

from release.adapters.aws import translated

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

    from release.contracts.machines import Notification

_SUBJECT_LENGTH = 100  # SNS's limit


class SnsNotices:
    def __init__(self, client: "SNSClient", *, topic_arn: str) -> None:
        self._client = client
        self._topic = topic_arn

    def tell(self, notification: "Notification") -> None:
        subject = f"{notification.endpoint}: release {notification.release_id} is {notification.phase}"
        with translated(f"telling about rollout {notification.rollout_id}"):
            self._client.publish(
                TopicArn=self._topic, Subject=subject[:_SUBJECT_LENGTH], Message=json.dumps(notification.wire())
            )
