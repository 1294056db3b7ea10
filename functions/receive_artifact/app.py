"""An object was created in the artifact bucket: start the rollout that it seals, or say why it seals none."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.aws_events import ObjectCreated
from release.wiring.intake import intake

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    answer = intake().receive_artifact(ObjectCreated.parse(event)).wire()
    logger.info("upload received", **answer)
    return answer
