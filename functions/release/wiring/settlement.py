"""How every rollout ends."""

import os
from functools import cache

from release.adapters.notices import SnsNotices
from release.flows.settling import Settling
from release.wiring import clients, fleet, records, turns


@cache
def notices() -> SnsNotices:
    return SnsNotices(clients.client("sns"), topic_arn=os.environ["NOTIFICATION_TOPIC_ARN"])


@cache
def settling() -> Settling:
    table, serving, alarms, metrics = records.table(), fleet.serving(), fleet.alarms(), fleet.metrics()
    return Settling(
        table, serving, alarms, metrics, notices(), turns.queue(), clients.stack(), clients.now, fleet.scaling()
    )
