"""Step "Start preflight": begin to ask green before any traffic moves."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.steps import LeasedStep
from release.wiring.watch import preflighting

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    step = LeasedStep.parse(event)
    logger.append_keys(endpoint=step.endpoint, rolloutId=step.rollout_id)
    logger.set_correlation_id(step.rollout_id.partition("-")[0])  # the release's
    answer = preflighting().start(step).wire()
    logger.info("preflight begun", **answer)
    return answer
