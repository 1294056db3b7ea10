"""State machines against the SDK's own description of AWS, and against the template that fills them in."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, ServiceModel, Shape, StringShape, StructureShape

from infra.verify.rules.registry import Fault, rule
from infra.verify.subjects import Machine, Subjects

_SDK = re.compile(r"arn:aws[\w-]*:states:::aws-sdk:(\w+):(\w+)")
# Step Functions' names of services that differ from the SDK's, by its developer guide.
_SERVICES = {"sfn": "stepfunctions", "cloudwatchlogs": "logs", "eventbridge": "events"}
_SUBSTITUTION = re.compile(r"\$\{(\w+)\}")


@rule(
    "substitutions-agree",
    "what a machine leaves open the template fills in, and no more",
    "AWS SAM: DefinitionSubstitutions",
)
def _substitutions(subjects: Subjects) -> Iterator[Fault]:
    for machine in subjects.machines.values():
        open_places = set(_SUBSTITUTION.findall(machine.source))
        for name in sorted(open_places - set(machine.substitutions)):
            yield Fault(f"{machine.name}.asl", f"nothing fills in ${{{name}}}")
        for name in sorted(set(machine.substitutions) - open_places):
            yield Fault(f"{machine.name}.asl", f"${{{name}}} is filled in and nowhere used")


@rule("sdk-calls-exist", "a call of the SDK exists and knows its parameters", "botocore's models of the services")
def _sdk_calls(subjects: Subjects) -> Iterator[Fault]:
    for machine in subjects.machines.values():
        for name, state in states(machine):
            found = _SDK.match(str(state.get("Resource")))
            if found:
                arguments = state.get("Arguments", state.get("Parameters", {}))
                for reason in _wrong_call(found[1], found[2], arguments):
                    yield Fault(f"{machine.name}.asl/{name}", reason)


def states(machine: Machine) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state, those inside of Map and Parallel included."""
    ahead = [machine.definition]
    while ahead:
        for name, state in ahead.pop()["States"].items():
            yield name, state
            ahead += [
                *state.get("Branches", []),
                *(state[key] for key in ("ItemProcessor", "Iterator") if key in state),
            ]


def _wrong_call(service: str, action: str, arguments: Any) -> Iterator[str]:
    model = _model(_SERVICES.get(service, service))
    operation = action[0].upper() + action[1:]
    if model is None or operation not in model.operation_names:
        yield f"there is no {service}:{action}"
    else:
        yield from _wrong_value(model.operation_model(operation).input_shape, arguments, operation)


@cache
def _model(service: str) -> ServiceModel | None:
    session = botocore.session.get_session()
    return session.get_service_model(service) if service in session.get_available_services() else None


def _wrong_value(shape: Shape | None, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        # JSONPath marks a path by ".$" at the end of the name.
        given = {key.removesuffix(".$"): None if key.endswith(".$") else each for key, each in value.items()}
        for name in sorted(set(shape.required_members) - set(given)):
            yield f"{path} lacks {name}"
        for name, each in given.items():
            if name not in shape.members:
                yield f"{path} knows no {name}"
            else:
                yield from _wrong_value(shape.members[name], each, f"{path}.{name}")
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for each in value:
            yield from _wrong_value(shape.member, each, path)
    elif isinstance(shape, StringShape) and shape.enum and isinstance(value, str):
        yield from _wrong_word(shape.enum, value, path)


def _wrong_word(known: list[str], value: str, path: str) -> Iterator[str]:
    if value not in known and not value.startswith("{%"):
        yield f"{path} is {value}, none of {', '.join(known[:6])}"
