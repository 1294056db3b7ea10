"""Which patch of moto a test justifies, so that no patch stays without a reason."""

from collections.abc import Callable
from typing import Any, TypeVar

Test = TypeVar("Test", bound=Callable[..., None])

_JUSTIFIED = "justified_patches"


def justifies(*patches: Callable[..., Any]) -> Callable[[Test], Test]:
    """Mark a test of bare moto: while it passes, these patches are needed. When it turns red, they can go.

    Args:
        patches: functions of `local.moto_patches` that call `Patches.replace` or `Patches.replace_item`.
    """

    def mark(test: Test) -> Test:
        setattr(test, _JUSTIFIED, frozenset(name_of(patch) for patch in patches))
        return test

    return mark


def name_of(patch: Callable[..., Any]) -> str:
    """As in `local.moto_patches.s3._complete_multipart_once`."""
    return f"{patch.__module__}.{patch.__qualname__}"


def justified_by(module: Any) -> frozenset[str]:
    """The names of all patches that the tests of a module justify."""
    marks: list[frozenset[str]] = [getattr(test, _JUSTIFIED, frozenset()) for test in vars(module).values()]
    return frozenset().union(*marks)
