"""What CloudFormation answers when it refuses; codes as in its API model."""

from moto.core.exceptions import ServiceException


class StackServiceError(ServiceException):
    """Serialised by the service's protocol; a subclass names the code."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class ValidationError(StackServiceError):
    code = "ValidationError"


class AlreadyExistsError(StackServiceError):
    code = "AlreadyExistsException"


class InsufficientCapabilitiesError(StackServiceError):
    code = "InsufficientCapabilitiesException"


class ChangeSetNotFoundError(StackServiceError):
    code = "ChangeSetNotFound"


class InvalidChangeSetStatusError(StackServiceError):
    code = "InvalidChangeSetStatus"


def missing_stack(name: str) -> ValidationError:
    return ValidationError(f"Stack with id {name} does not exist")


def refused(what: str) -> ValidationError:
    """For what AWS can do and this CloudFormation cannot."""
    return ValidationError(f"local AWS does not emulate CloudFormation's {what}; see local/GAPS.md")
