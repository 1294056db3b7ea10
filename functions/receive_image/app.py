"""An image was pushed: roll it out with the newest artifact of every endpoint."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.aws_events import EcrImageAction
from release.wiring.intake import intake

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    answer = intake().receive_image(EcrImageAction.parse(event)).wire()
    logger.info("push received", **answer)
    return answer
