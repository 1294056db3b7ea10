"""Why a model was not packaged; the message of each is one sentence that ends in what to do next."""

from slipway.errors import SlipwayError, UsageError


class PackageRefusedError(UsageError):
    """The model, or what is asked of it, cannot become an artifact; nothing was left at the output."""


class HubUnreachableError(SlipwayError):
    """The hub did not give the model: no network, no such repository, or no right to read it."""


class NoSpaceError(SlipwayError):
    """The disk is full; what was finished is kept, and the same command goes on from there."""


class QuantiserFailedError(SlipwayError):
    """The inference image's own quantiser ended without a result; the message has its last words."""


class SignerFailedError(SlipwayError):
    """The key did not sign."""
