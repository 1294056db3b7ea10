"""Step "Plan rollout": decide how traffic will shift."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.steps import PlanStep
from release.wiring.planning import planning

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    step = PlanStep.parse(event)
    logger.append_keys(endpoint=step.endpoint, rolloutId=step.rollout_id)
    logger.set_correlation_id(step.rollout_id.partition("-")[0])  # the release's
    answer = planning().plan(step).wire()
    logger.info("rollout planned", **answer)
    return answer
