"""Step "Examine artifact": judge names, sizes, headers and documents of the artifact."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.steps import RolloutStep
from release.wiring.examination import examining

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    step = RolloutStep.parse(event)
    logger.append_keys(endpoint=step.endpoint, rolloutId=step.rollout_id)
    logger.set_correlation_id(step.rollout_id.partition("-")[0])  # the release's
    answer = examining().examine(step).wire()
    logger.info("artifact examined", **answer)
    return answer
