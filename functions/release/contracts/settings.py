"""An endpoint's settings: a part of a config, and what the endpoint's owner allows."""

from typing import Annotated

from pydantic import Field, StringConstraints

from release.contracts.base import Contract, ReleaseId, Timestamp
from release.contracts.config import PartialConfig
from release.domain.garbage import ROLLBACK_WINDOW

Dollars = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?$")]
"""US dollars as a decimal number in quotes, because JSON's numbers are binary fractions elsewhere."""
Reason = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Budget(Contract):
    """`rollout_dollars` bounds what one rollout may cost at most, `month_dollars` the fleet that stays."""

    rollout_dollars: Dollars | None = None
    month_dollars: Dollars | None = None


class FreezeWindow(Contract):
    """`until` is the first instant at which releases go on."""

    since: Timestamp
    until: Timestamp
    reason: Reason


class PolicySettings(Contract):
    """Not part of a config: what an artifact's manifest or a hand's input wishes cannot change it."""

    require_approval: bool | None = None
    """Whether a person has to approve before traffic moves; rollbacks are exempt, because a person asked for each."""
    inconclusive_passes: bool | None = None
    """Whether green stays although its bake proved nothing; without it only proof counts."""
    budget: Budget | None = None
    freezes: Annotated[tuple[FreezeWindow, ...], Field(max_length=20)] | None = None


class Retention(Contract):
    """What the sweep keeps beside what serves and what comes.

    Args:
        rollback_window: releases that were live, counted from the newest, whose model and endpoint config are kept.
        hold: releases that are kept until they are taken from this list.
    """

    rollback_window: int | None = Field(default=None, ge=0, le=200)
    hold: Annotated[tuple[ReleaseId, ...], Field(max_length=200)] | None = None

    @property
    def window(self) -> int:
        return ROLLBACK_WINDOW if self.rollback_window is None else self.rollback_window


class EndpointSettings(PartialConfig):
    """Value of an endpoint's SSM parameter."""

    policy: PolicySettings | None = None
    retention: Retention | None = None

    def config(self) -> PartialConfig:
        return PartialConfig.model_validate(self.model_dump(exclude={"policy", "retention"}))
