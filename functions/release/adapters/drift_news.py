"""Drift is told twice: to whoever listens to events, and to people."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from release.adapters.events import EventBridgeEvents
    from release.adapters.notices import SnsNotices
    from release.contracts.sweep import DriftFound


class EventsAndNotices:
    def __init__(self, events: "EventBridgeEvents", notices: "SnsNotices") -> None:
        self._events = events
        self._notices = notices

    def drift_found(self, drift: "DriftFound") -> None:
        self._events.drift_found(drift)
        self._notices.drift_found(drift)
