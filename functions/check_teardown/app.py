"""The custom resource "Teardown check": CloudFormation deletes it first, and is told whether the stack may go."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release.contracts.aws_events import CustomResourceRequest
from release.wiring.teardown import stack_answers, tearing_down

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    request = CustomResourceRequest.parse(event)
    # What comes or changes is in nobody's way. An error is raised and not answered: Lambda asks twice more, and
    # CloudFormation takes silence as a no.
    refusal = tearing_down().refusal() if request.request_type == "Delete" else ""
    stack_answers().answer(request, refusal)
    answer: dict[str, Any] = {"requestType": request.request_type, "refusal": refusal}
    logger.info("teardown checked", **answer)
    return answer
