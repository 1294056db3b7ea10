"""What things are called in AWS. Deterministic, so that a second attempt finds what the first one made."""

import re
from dataclasses import dataclass

VARIANT = "AllTraffic"
"""Blue/green updates need the same variant name in the old and the new endpoint config."""

MAX_NAME_LENGTH = 20
"""Of a stack's and of an endpoint's name, so that every composed name stays within SageMaker's 63 characters."""

_NAME = re.compile(r"[a-z0-9](-?[a-z0-9])*")


def name_problem(name: str) -> str | None:
    """Why `name` cannot be a stack or an endpoint, as a sentence; None if it can."""
    if len(name) > MAX_NAME_LENGTH:
        return f"the name {name!r} has {len(name)} characters, the limit is {MAX_NAME_LENGTH}; choose a shorter one"
    if not _NAME.fullmatch(name):
        return f"the name {name!r} must be lower-case letters, digits and single hyphens between them; rename it"
    return None


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one endpoint's resources.

    Raises:
        ValueError: stack or endpoint break the naming rule.
    """

    stack: str
    endpoint: str

    def __post_init__(self) -> None:
        for name in (self.stack, self.endpoint):
            if problem := name_problem(name):
                raise ValueError(problem)

    @property
    def sagemaker_endpoint(self) -> str:
        return f"{self.stack}-{self.endpoint}"

    @property
    def settings_parameter(self) -> str:
        return f"/{self.stack}/endpoints/{self.endpoint}"

    @property
    def preflight_endpoint(self) -> str:
        """Short-lived; at most 51 characters. Whose it is, its config tells: another endpoint may have this name."""
        return f"{self.sagemaker_endpoint}-preflight"

    def of_rollout(self, rollout_id: str) -> str:
        """Model and endpoint config of a rollout; at most 61 characters."""
        return f"{self.stack}-{self.endpoint}-{rollout_id}"

    def preflight_config(self, rollout_id: str) -> str:
        """One instance of the rollout's model; within SageMaker's 63 characters up to 99,999 rollouts of a release."""
        return f"{self.of_rollout(rollout_id)}-pf"

    def rollout_of_preflight(self, config_name: str) -> str | None:
        """The rollout whose preflight made an endpoint config; None for one that no preflight of this endpoint made."""
        return self.rollout_of_config(config_name.removesuffix("-pf")) if config_name.endswith("-pf") else None

    def is_preflight_config(self, config_name: str) -> bool:
        """Whether a preflight of this endpoint made the config."""
        return self.rollout_of_preflight(config_name) is not None

    def guard_alarm(self, rollout_id: str) -> str:
        return f"{self.of_rollout(rollout_id)}-guard"

    def abort_alarm(self, rollout_id: str) -> str:
        return f"{self.of_rollout(rollout_id)}-abort"

    def dead_man_alarm(self, rollout_id: str) -> str:
        return f"{self.of_rollout(rollout_id)}-dead-man"

    def alarms(self, rollout_id: str) -> tuple[str, ...]:
        """Every alarm that a rollout owns."""
        return self.guard_alarm(rollout_id), self.abort_alarm(rollout_id), self.dead_man_alarm(rollout_id)

    def rollout_of_config(self, config_name: str) -> str | None:
        """The rollout that made an endpoint config; None for a config that no rollout of this endpoint made."""
        made = re.fullmatch(re.escape(self.of_rollout("")) + r"([0-9a-f]{12}-[1-9][0-9]{0,5})", config_name)
        return made[1] if made else None

    def rollout_of_resource(self, name: str) -> str | None:
        """The rollout that made a model, a config or an alarm, by the beginning of its name; None: none of ours."""
        made = re.fullmatch(re.escape(self.of_rollout("")) + r"([0-9a-f]{12}-[1-9][0-9]{0,5})(-[a-z-]+)?", name)
        return made[1] if made else None
