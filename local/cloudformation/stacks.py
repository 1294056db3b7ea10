"""How a stack succeeds, changes and fails: what moto 5.2.5 leaves out of CloudFormation itself.

moto skips resource types that it does not know, answers 500 when a resource fails, and finds what an update changes by
the template's text alone. Here an unknown type is refused by name, a failed create or update is rolled back and says
why, and an update compares what the resources resolve to.
"""
# ruff: noqa: SLF001 - moto offers no public way to any of this, which is why its version is pinned

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError
from moto.cloudformation import models, parsing
from moto.cloudformation.exceptions import ValidationError
from moto.core.exceptions import ServiceException
from werkzeug.exceptions import HTTPException

from local.moto_patches.patching import Patches

_RESOLVED = "resolved_by_logical_id"
_RETAINED = frozenset({"Retain", "RetainExceptOnCreate"})
_WHOLE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
_PSEUDO_TYPES = frozenset(parsing.NULL_MODELS)


class ResourceFailedError(Exception):
    """One resource of a stack could not be created, updated or deleted."""

    def __init__(self, logical_id: str, resource_type: str, reason: str) -> None:
        super().__init__(f"{logical_id} ({resource_type}): {reason}")
        self.logical_id = logical_id
        self.resource_type = resource_type
        self.reason = reason


def install(patches: Patches) -> None:
    """Patch how moto's stacks come, change and fail; `patches.undo()` gives moto's own way back."""
    for owner, name, wrapper in (
        (parsing.ResourceMap, "load", _load),
        (parsing.ResourceMap, "load_parameters", _load_parameters),
        (parsing, "parse_and_create_resource", _named_failure),
        (parsing, "parse_and_update_resource", _named_failure),
        (parsing, "parse_resource_and_generate_name", _remember_resolved),
        (models.Stack, "create_resources", _create_or_roll_back),
        (models.Stack, "update", _update_or_roll_back),
    ):
        _wrap(patches, owner, name, wrapper)
    patches.replace(parsing.ResourceMap, "update", _update_resources)
    patches.replace(parsing.ResourceMap, "delete", _delete_stack_resources)
    patches.replace(models.Stack, "stack_resources", property(_existing_resources))
    _wrap_outputs(patches)


def _wrap(patches: Patches, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return wrapper(original, *args, **kwargs)

    original = patches.replace(owner, name, wrapped)


# Templates and parameters ---------------------------------------------------------------------------------------------


def _load(original: Callable[..., None], resources: Any) -> None:
    _refuse_unknown_types(resources._template)
    original(resources)


def _refuse_unknown_types(template: Mapping[str, Any]) -> None:
    types = {resource["Type"] for resource in template.get("Resources", {}).values()}
    unknown = sorted(types - set(parsing.get_model_map()) - _PSEUDO_TYPES)
    if unknown:
        raise ValidationError(
            message=f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]; "
            "the local AWS creates and records only the types that local/GAPS.md lists"
        )


def _load_parameters(original: Callable[..., None], resources: Any) -> None:
    declared = resources._template.get("Parameters", {})
    unknown = sorted(set(resources.input_parameters) - set(declared))
    if unknown:
        raise ValidationError(message=f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    original(resources)
    for name, declaration in declared.items():
        problem = parameter_problem(
            name, declaration, str(resources.input_parameters.get(name, declaration.get("Default", "")))
        )
        if problem:
            raise ValidationError(message=problem)


def parameter_problem(name: str, declaration: Mapping[str, Any], value: str) -> str | None:
    """Why CloudFormation refuses this value, or None; constraints as in a template's Parameters section."""
    hint = declaration.get("ConstraintDescription")
    tail = f" ({hint})" if hint else ""
    allowed = [str(item) for item in declaration.get("AllowedValues", [])]
    if allowed and value not in allowed:
        return f"Parameter '{name}' must be one of AllowedValues: [{', '.join(allowed)}], not '{value}'{tail}"
    pattern = declaration.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        return f"Parameter {name} = '{value}' failed to satisfy constraint: must match pattern {pattern}{tail}"
    if declaration.get("Type") == "Number":
        return _bound_problem(name, float(value), declaration, "MinValue", "MaxValue", "a number", tail)
    return _bound_problem(name, len(value), declaration, "MinLength", "MaxLength", "a length", tail)


def _bound_problem(  # noqa: PLR0913, PLR0917 - one sentence needs them all
    name: str, size: float, declaration: Mapping[str, Any], low: str, high: str, what: str, tail: str
) -> str | None:
    if low in declaration and size < float(declaration[low]):
        return f"Parameter {name} has {what} of {size:g}, below {low} {declaration[low]}{tail}"
    if high in declaration and size > float(declaration[high]):
        return f"Parameter {name} has {what} of {size:g}, above {high} {declaration[high]}{tail}"
    return None


# Resources ------------------------------------------------------------------------------------------------------------


def _named_failure(original: Callable[..., Any], logical_id: str, resource_json: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return original(logical_id, resource_json, *args, **kwargs)
    except ResourceFailedError:
        raise
    except Exception as error:
        # Whatever a service's model raises is that resource's failure: CloudFormation reports it, it does not crash.
        raise ResourceFailedError(logical_id, resource_json["Type"], _sentence(error)) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Message"])
    if isinstance(error, HTTPException | ServiceException):
        return str(getattr(error, "message", None) or error)
    return f"{type(error).__name__}: {error}"


def _remember_resolved(original: Callable[..., Any], logical_id: str, resource_json: Any, resources: Any) -> Any:
    parsed = original(logical_id, resource_json, resources)
    if parsed is not None:
        _resolved(resources)[logical_id] = copy.deepcopy(parsed[1])
    return parsed


def _resolved(resources: Any) -> dict[str, Any]:
    memory: dict[str, Any] = resources.__dict__.setdefault(_RESOLVED, {})
    return memory


def _update_resources(resources: Any, template: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
    """Add what is new, change what resolves to something else, then delete what is gone, as CloudFormation does."""
    _refuse_unknown_types(template)
    old_json = resources._resource_json_map
    resources._template = template
    resources.input_parameters = parameters if parameters is not None else resources.input_parameters
    resources.load_mapping()
    resources.load_parameters()
    resources.load_conditions()
    resources._resource_json_map = template["Resources"]
    present = {name for name in old_json if resources._parsed_resources.get(name) is not None}
    wanted = {name for name, resource in template["Resources"].items() if _holds(resources, resource)}
    replaced = {name for name in present & wanted if old_json[name]["Type"] != template["Resources"][name]["Type"]}
    for name in sorted((present - wanted) | replaced):
        # Its name must be free before a resource of another type, or one that took its place, can use it.
        _delete_resource(resources, name, old_json[name])
    for name in template["Resources"]:
        if name in wanted and (name not in present or name in replaced):
            _ = resources[name]
    _change_until_settled(resources, sorted((present & wanted) - replaced))


def _holds(resources: Any, resource: Mapping[str, Any]) -> bool:
    return "Condition" not in resource or bool(resources.lazy_condition_map[resource["Condition"]])


def _change_until_settled(resources: Any, names: list[str]) -> None:
    """A change may alter what others refer to, at most along a chain as long as there are resources."""
    for _ in range(len(names) + 1):
        changed = [name for name in names if _update_if_changed(resources, name)]
        if not changed:
            return
    raise ResourceFailedError(
        changed[0], resources._resource_json_map[changed[0]]["Type"], "its properties never settle"
    )


def _update_if_changed(resources: Any, name: str) -> bool:
    resource_json = resources._resource_json_map[name]
    resolved = parsing.clean_json({"Properties": {}} | resource_json, resources)
    before = _resolved(resources).get(name, {})
    if resolved.get("Properties") == before.get("Properties"):
        return False
    account, region = resources._account_id, resources._region_name
    updated = parsing.parse_and_update_resource(name, resource_json, resources, account, region)
    resources._parsed_resources[name] = updated
    return True


def _delete_resource(resources: Any, name: str, resource_json: Mapping[str, Any]) -> None:
    resource = resources._parsed_resources.pop(name)
    _resolved(resources).pop(name, None)
    if resource_json.get("DeletionPolicy") in _RETAINED:
        return
    try:
        resources._delete_resource(resource, resource_json)
    except Exception as error:
        # As above: a failure of the resource's own model is the resource's failure.
        raise ResourceFailedError(name, resource_json["Type"], _sentence(error)) from error


def _delete_stack_resources(resources: Any) -> None:
    """Of a stack that a person deletes; moto deletes what the newer of the two retaining policies keeps."""
    try:
        _delete_all(resources, _RETAINED)
    except ResourceFailedError as failure:
        raise ValidationError(message=f"the stack was not deleted: {failure}") from failure


def _delete_all(resources: Any, kept: frozenset[str]) -> None:
    """In whatever order works: a resource that another one needs waits for the next pass."""
    waiting = {
        name: resource
        for name, resource in resources._resource_json_map.items()
        if resources._parsed_resources.get(name) is not None and resource.get("DeletionPolicy") not in kept
    }
    failure: ResourceFailedError | None = None
    while waiting:
        before = len(waiting)
        for name, resource in reversed(list(waiting.items())):
            try:
                resources._delete_resource(resources._parsed_resources[name], resource)
            except Exception as error:  # noqa: BLE001 - whatever its model raises is the resource's failure
                failure = ResourceFailedError(name, resource["Type"], _sentence(error))
                failure.__cause__ = error
            else:
                resources._parsed_resources.pop(name)
                waiting.pop(name)
        if failure and len(waiting) == before:
            raise failure


# Stacks ---------------------------------------------------------------------------------------------------------------


def _create_or_roll_back(original: Callable[..., None], stack: Any) -> None:
    try:
        original(stack)
    except ResourceFailedError as failure:
        _report(stack, failure, "CREATE_FAILED")
        stack._add_stack_event("ROLLBACK_IN_PROGRESS", resource_status_reason=str(failure))
        _delete_all(stack.resource_map, frozenset({"Retain"}))
        stack.status = "ROLLBACK_COMPLETE"
        stack._add_stack_event("ROLLBACK_COMPLETE")


def _update_or_roll_back(original: Callable[..., None], stack: Any, template: str, *args: Any, **kwargs: Any) -> None:
    old_template, old_parameters = stack.template, stack.resource_map.input_parameters
    try:
        original(stack, template, *args, **kwargs)
    except ResourceFailedError as failure:
        _report(stack, failure, "UPDATE_FAILED")
        stack._add_stack_event("UPDATE_ROLLBACK_IN_PROGRESS", resource_status_reason=str(failure))
        stack.template = old_template
        stack._parse_template()
        try:
            stack.resource_map.update(stack.template_dict, old_parameters)
            stack.status = "UPDATE_ROLLBACK_COMPLETE"
        except ResourceFailedError as second:
            _report(stack, second, "UPDATE_FAILED")
            stack.status = "UPDATE_ROLLBACK_FAILED"
        stack.output_map = stack._create_output_map()
        stack._add_stack_event(stack.status)


def _existing_resources(stack: Any) -> list[Any]:
    """moto lists what a condition left out as well, and creates what does not exist yet when it is looked at."""
    resources = stack.resource_map
    existing = (resources._parsed_resources.get(name) for name in resources._resource_json_map)
    return [resource for resource in existing if resource is not None]


def _wrap_outputs(patches: Patches) -> None:
    """Reading the outputs of a stack that is half made, or rolled back, would make its resources once more."""

    def outputs(stack: Any) -> list[dict[str, Any]] | None:
        described: list[dict[str, Any]] | None = original.fget(stack) if stack.status in _WHOLE else None
        return described

    original: Any = patches.replace(models.Stack, "outputs", property(outputs))


def _report(stack: Any, failure: ResourceFailedError, status: str) -> None:
    stack.events.append(
        models.Event(
            stack_id=stack.stack_id,
            stack_name=stack.name,
            logical_resource_id=failure.logical_id,
            physical_resource_id="",
            resource_type=failure.resource_type,
            resource_status=status,
            resource_status_reason=failure.reason,
            resource_properties=None,
        )
    )
