"""Step "Find work": which endpoints the sweep looks at."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.steps import ExecutionInput
from release.wiring.sweep_work import finding_work

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    answer = finding_work().find(ExecutionInput.parse(event)).wire()
    logger.info("work found", **answer)
    return answer
