"""Step "Register rollout": give the execution a rollout with a record."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.steps import ExecutionInput
from release.wiring.intake import registering

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    answer = registering().register(ExecutionInput.parse(event)).wire()
    logger.info("rollout registered", **answer)
    return answer
