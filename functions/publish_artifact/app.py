"""Step "Publish artifact": copy what passed to where models point."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.steps import RolloutStep
from release.wiring.examination import publishing

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    step = RolloutStep.parse(event)
    logger.append_keys(endpoint=step.endpoint, rolloutId=step.rollout_id)
    logger.set_correlation_id(step.rollout_id.partition("-")[0])  # the release's
    answer = publishing().publish(step).wire()
    logger.info("artifact published", **answer)
    return answer
