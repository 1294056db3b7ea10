"""SNS: what nobody would ever deliver is refused when it is subscribed."""

from typing import Any

from moto.sns import models
from moto.sns.exceptions import SNSInvalidParameter

from local.moto_patches.patching import Patches

# E-mail and SMS are kept and not sent, which local/GAPS.md says: nothing leaves this machine.
_PROTOCOLS = frozenset({"email", "email-json", "http", "https", "sms", "sqs"})


def install(patches: Patches) -> None:
    _refuse_what_nobody_delivers(patches)


def _refuse_what_nobody_delivers(patches: Patches) -> None:
    """moto hands functions an invented event, through Docker, and swallows that there is none."""

    def subscribe(self: models.SNSBackend, topic_arn: str, endpoint: str, protocol: str) -> Any:
        if protocol not in _PROTOCOLS:
            raise SNSInvalidParameter(f"local AWS does not emulate SNS subscriptions with protocol {protocol}")
        return original(self, topic_arn, endpoint, protocol)

    original = patches.replace(models.SNSBackend, "subscribe", subscribe)
