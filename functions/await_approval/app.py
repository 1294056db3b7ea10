"""Step "Await approval": keep the execution's token and answer it when nothing holds the rollout back."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.steps import ApprovalStep
from release.wiring.approval import approving

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    step = ApprovalStep.parse(event)
    logger.append_keys(endpoint=step.endpoint, rolloutId=step.rollout_id)
    logger.set_correlation_id(step.rollout_id.partition("-")[0])  # the release's
    answer = approving().await_approval(step).wire()
    logger.info("approval asked for", **answer)
    return answer
