"""Step Functions: which definitions become machines."""

import json
from typing import Any

from moto.core.responses import ActionResult
from moto.stepfunctions.exceptions import ValidationException
from moto.stepfunctions.parser import models as interpreter
from moto.stepfunctions.parser.api import InvalidDefinition, StateMachineTypeNotSupported
from moto.stepfunctions.responses import StepFunctionResponse

from local.moto_patches.patching import Patches
from local.step_functions.definitions import Problem, problems


def install(patches: Patches) -> None:
    _refuse_invalid_definitions(patches)
    _refuse_express_machines(patches)
    _validate_on_request(patches)


def _refuse_invalid_definitions(patches: Patches) -> None:
    """moto takes a definition whose grammar is right, whatever its transitions name and its expressions say."""

    def validate(definition: str) -> None:
        original(definition)
        found = problems(json.loads(definition))
        if found:
            sentences = ", ".join(map(str, found))
            raise InvalidDefinition(message=f"Invalid State Machine Definition: '{sentences}'")

    backend = interpreter.StepFunctionsParserBackend
    original = patches.replace(backend, "_validate_definition", staticmethod(validate))


def _refuse_express_machines(patches: Patches) -> None:
    """moto runs an express machine as if it were a standard one."""

    def create(self: StepFunctionResponse) -> ActionResult:
        if self._get_param("type") == "EXPRESS":
            raise StateMachineTypeNotSupported(
                message="local AWS does not emulate express state machines; local/GAPS.md lists what it does"
            )
        result: ActionResult = original(self)
        return result

    original = patches.replace(StepFunctionResponse, "create_state_machine", create)


def _validate_on_request(patches: Patches) -> None:
    """moto has no ValidateStateMachineDefinition."""

    def validate(self: StepFunctionResponse) -> ActionResult:
        definition = self._get_param("definition")
        if definition is None:
            raise ValidationException("1 validation error detected: Value at 'definition' must not be null")
        most = self._get_int_param("maxResults") or 100
        found = _problems(definition)
        shown = [_diagnostic(problem) for problem in found[:most]]
        result = {"result": "FAIL" if found else "OK", "diagnostics": shown, "truncated": len(found) > most}
        return ActionResult(result)

    patches.add(StepFunctionResponse, "validate_state_machine_definition", validate)


def _problems(definition: str) -> list[Problem]:
    try:
        interpreter.StepFunctionsParserBackend._validate_definition(definition)  # noqa: SLF001 - see _refuse_invalid…
    except InvalidDefinition as error:
        try:
            found = problems(json.loads(definition))
        except (ValueError, KeyError, TypeError, AttributeError):
            found = []  # no machine at all
        return found or [Problem("SCHEMA_VALIDATION_FAILED", str(error.message), "/")]
    return []


def _diagnostic(problem: Problem) -> dict[str, Any]:
    return {
        "severity": "ERROR",
        "code": problem.code,
        "message": problem.message,
        "location": problem.location,
    }
