"""Failures that flows can name. State machines match these class names, so renaming one is a breaking change."""


class ReleaseError(Exception):
    """Base of everything this package raises on purpose. Its message is one sentence for a person on call."""


class InvalidInputError(ReleaseError):
    """What was asked for breaks a contract. Asking again in the same words cannot help."""


class ArtifactIncompleteError(ReleaseError):
    """Files that the manifest lists have not arrived yet. Worth a retry until the upload's deadline."""


class ArtifactRejectedError(ReleaseError):
    """The artifact breaks a rule. A retry cannot help; its owner uploads a better one."""


class UnknownReleaseError(ReleaseError):
    """A rollback asked for a release that this endpoint never had, or there is no earlier one to go to."""


class LeaseHeldError(ReleaseError):
    """Another rollout is changing the endpoint. It is waited for, and whoever ends it wakes the waiting."""


class OvertakenError(ReleaseError):
    """A later rollout takes this one's place, so there is nothing left to do. Never retried."""


class LeaseLostError(ReleaseError):
    """Another rollout took the lease over; this one must not write any more. Never retried."""


class AbortedError(ReleaseError):
    """Somebody asked for the rollout's end while that was still possible. Never retried."""


class HeldBackError(ReleaseError):
    """A pause or a freeze came after the last look at what people wish. The rollout goes back and waits."""


class AlarmsUnsettledError(ReleaseError):
    """An alarm of the rollout has not said OK yet, and an update must not begin before. Worth a retry."""


class EndpointBusyError(ReleaseError):
    """SageMaker is still working on the endpoint and takes no other change. Worth a retry."""


class RolloutFailedError(ReleaseError):
    """Green did not become what it was meant to be: rolled back, refused by SageMaker, or not proved."""


class PlanRefusedError(RolloutFailedError):
    """A quota, a bound of SageMaker, a budget or a freeze forbids the plan. Nothing was created; never retried."""


class SweepIncompleteError(ReleaseError):
    """An endpoint could not be swept; the others were. The next sweep tries again."""


class AccessDeniedError(ReleaseError):
    """AWS says that a function's role lacks a right.

    One that was just given takes a while to reach every part of AWS, so it is worth a few retries once traffic moves;
    what lasts is mended by deploying the stack again.
    """


class ServiceUnavailableError(ReleaseError):
    """An AWS service throttled, timed out, failed on its side, or another writer came first. Worth a retry."""
