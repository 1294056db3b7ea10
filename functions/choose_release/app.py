"""Step "Choose release" of the rollback machine: register a rollout of the release to go back to."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.steps import ExecutionInput
from release.wiring.rollback import choosing

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    answer = choosing().choose(ExecutionInput.parse(event)).wire()
    logger.info("release chosen", **answer)
    return answer
