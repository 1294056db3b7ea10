"""Step "Report sweep": the sum over all endpoints, in a sentence and as metrics."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.sweep import ReportStep
from release.wiring.sweep_work import reporting

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    answer = reporting()(ReportStep.parse(event)).wire()
    logger.info("sweep reported", **answer)
    return answer
