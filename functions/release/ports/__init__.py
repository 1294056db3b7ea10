"""What the flows need from the outside world, in their own words.

Every method may raise ServiceUnavailableError: the service throttled, failed on its side or did not answer in time.
"""

from release.ports.records import RELEASE_MACHINE, Awaiting, Deed, Entry, Fence, ReleaseTable
from release.ports.stores import ArtifactStore, Member, StoredObject
from release.ports.world import (
    Alarms,
    Clock,
    ImageRegistry,
    Images,
    Machine,
    Metrics,
    Notices,
    Policies,
    Prices,
    Probes,
    Quotas,
    Serving,
    Settings,
    Signers,
    Templates,
    Waiters,
)

__all__ = [
    "RELEASE_MACHINE",
    "Alarms",
    "ArtifactStore",
    "Awaiting",
    "Clock",
    "Deed",
    "Entry",
    "Fence",
    "ImageRegistry",
    "Images",
    "Machine",
    "Member",
    "Metrics",
    "Notices",
    "Policies",
    "Prices",
    "Probes",
    "Quotas",
    "ReleaseTable",
    "Serving",
    "Settings",
    "Signers",
    "StoredObject",
    "Templates",
    "Waiters",
]
