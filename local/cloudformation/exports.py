"""The outputs that stacks share by name, and who uses them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local.cloudformation.errors import ValidationError
from local.cloudformation.stack import Stack


class Exports:
    def __init__(self, stacks: Callable[[], Iterable[Stack]]) -> None:
        self._stacks = stacks

    def all(self) -> dict[str, tuple[Stack, str]]:
        """Every export's stack and value."""
        return {name: (stack, value) for stack in self._stacks() for name, value in _exported(stack.outputs).items()}

    def values(self) -> dict[str, str]:
        return {name: value for name, (_, value) in self.all().items()}

    def users(self, name: str) -> list[str]:
        """The names of the stacks that import it."""
        return sorted(stack.name for stack in self._stacks() if name in stack.imports)

    def check(self, stack: Stack, outputs: Iterable[Mapping[str, Any]]) -> None:
        """Whether the stack may change its outputs to these.

        Raises:
            ValidationError: another stack has an export of that name, or uses one that would change or go.
        """
        wanted = _exported(outputs)
        for name, (owner, _) in self.all().items():
            if name in wanted and owner is not stack:
                raise ValidationError(f"Export with name {name} is already exported by stack {owner.name}")
        for name, value in _exported(stack.outputs).items():
            users = " and ".join(self.users(name))
            if users and name not in wanted:
                raise ValidationError(f"Export {name} cannot be deleted as it is in use by {users}")
            if users and wanted[name] != value:
                raise ValidationError(f"Export {name} cannot be updated as it is in use by {users}")


def _exported(outputs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {output["ExportName"]: output["OutputValue"] for output in outputs if "ExportName" in output}
