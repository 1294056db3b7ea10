"""Step "Sweep endpoint": settle what died, start what was lost, mend or report what drifted."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.sweep import SweepStep
from release.wiring.sweep import sweeping

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    step = SweepStep.parse(event)
    logger.append_keys(endpoint=step.endpoint)
    swept = sweeping().sweep(step)
    for drift in swept.drift:
        logger.warning("drift found", **drift.wire())
    answer = swept.wire()
    logger.info("endpoint swept", **answer)
    return answer
