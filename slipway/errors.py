"""What can go wrong for a person at the keyboard: one class for each thing that they can act on.

The message of each is one sentence that ends in what to do next; the command line prints it as it is.
"""


class SlipwayError(Exception):
    """Base of all; `exit_code` is what the command line ends with."""

    exit_code = 5


class UsageError(SlipwayError):
    """An argument cannot be right, whatever AWS says; do not retry."""

    exit_code = 2


class CredentialsError(SlipwayError):
    """No credentials, no region, or credentials that AWS does not accept; set them and try again."""


class AccessDeniedError(SlipwayError):
    """The credentials work but may not do this; ask for the permission that the message names."""


class AwsUnreachableError(SlipwayError):
    """No answer from the address that the environment points to; retry when it is up."""


class AwsRefusedError(SlipwayError):
    """AWS answered with an error of its own that fits no class here; the message quotes it."""


class StackNotFoundError(SlipwayError):
    """The stack is not deployed in this account and region."""


class ArtifactFolderError(UsageError):
    """The folder cannot be an artifact (missing, empty, or a file that S3 prefixes cannot carry)."""


class ArtifactChangedError(UsageError):
    """A file of the folder is not what the folder's manifest declares; package the model again."""


class VersionSealedError(UsageError):
    """The version is sealed with other files; sealed drops never change, so take another version."""


class DropNotSeenError(SlipwayError):
    """The seal lies in the bucket but no rollout has started yet; look again, the sweep starts what events lost."""

    exit_code = 3


class ImageMissingError(SlipwayError):
    """The artifact waits because no inference image was ever pushed; push one with a `release-` tag."""

    exit_code = 3


class RolloutNotFoundError(SlipwayError):
    """The release table has no such rollout."""


class RolloutTimeoutError(SlipwayError):
    """The rollout did not end in the time that the caller gave; it goes on without the watcher."""

    exit_code = 3


class RollbackRefusedError(SlipwayError):
    """The rollback machine ended before any rollout began; the message is its reason."""

    exit_code = 4


class OperationRefusedError(SlipwayError):
    """The machine that was asked refused, and nothing was changed; the message is its reason."""

    exit_code = 4


class ReleaseNotFoundError(SlipwayError):
    """The release table has no such release."""


class EndpointUnknownError(SlipwayError):
    """No rollout has ever named the endpoint; the message names those that are known."""


class LogsMissingError(SlipwayError):
    """The log group does not exist; nothing was ever logged there."""


class EventRefusedError(SlipwayError):
    """The function failed on an event that was handed in again; the event stays where it was."""

    exit_code = 4


class ChatError(SlipwayError):
    """Base of what can happen to one question.

    Args:
        message: the sentence for a person.
        retryable: True when the same question may succeed in a moment, unchanged.
        retry_after_s: the server's own hint, seconds; None without one.
        release_id: who refused, when the answer said so; else empty.
        code: why, in one word of the server (`events/serving/error`) or of AWS; empty when neither said one.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        retry_after_s: float | None = None,
        release_id: str = "",
        code: str = "",
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.release_id = release_id
        self.code = code


class EndpointNotFoundError(ChatError):
    """The endpoint does not exist yet: no release of it has ever been live."""


class ModelBusyError(ChatError):
    """The model is loading, draining or full, or AWS throttles; the same request may work in a moment."""


class RequestRefusedError(ChatError):
    """The model cannot take this request (too long, unknown field); change it before asking again."""


class ModelFailedError(ChatError):
    """The model's server failed on this request."""


class StreamBrokenError(ChatError):
    """The answer stopped before its end; what came before is real but incomplete."""
