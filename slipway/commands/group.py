"""Groups of commands that print a command's help at once."""

from typing import Any

from typer.core import TyperGroup


class Group(TyperGroup):
    """Typer converts the absent --help of each group with pydantic, whose import takes longer than all else."""

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False  # a bool is taken as it is
        return option
