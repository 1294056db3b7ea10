"""Step "Operate endpoint": do what a person asks of an endpoint."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.steps import ExecutionInput
from release.wiring.operation import operating

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    step = ExecutionInput.parse(event)
    answer = operating().operate(step).wire()
    logger.info("endpoint operated", **answer)
    return answer
