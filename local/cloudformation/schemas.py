"""What CloudFormation's registry says of a resource type; cfn-lint carries its schemas.

A schema's keys are described at
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

import functools
import importlib
import re
from collections.abc import Mapping
from typing import Any

from local.world import REGION

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_PROPERTY = re.compile(r"/properties/([^/]+)$")


@functools.cache
def _schema(resource_type: str) -> Any:
    # A second, for the first stack only.
    manager: Any = importlib.import_module("cfnlint.schema").PROVIDER_SCHEMA_MANAGER
    missing: Any = importlib.import_module("cfnlint.schema._exceptions").ResourceNotFoundError
    try:
        return manager.get_resource_schema(REGION, resource_type)
    except missing:
        return None


def _body(resource_type: str) -> Mapping[str, Any]:
    schema = _schema(resource_type)
    body: Mapping[str, Any] = schema.schema if schema else {}
    return body


def create_only(resource_type: str) -> frozenset[str]:
    """Properties whose change needs a new resource."""
    paths = _body(resource_type).get("createOnlyProperties", [])
    return frozenset(found[1] for path in paths if (found := _PROPERTY.match(path)))


def has_attribute(resource_type: str, attribute: str) -> bool:
    """Whether Fn::GetAtt may ask for it; true for a type without a schema."""
    schema = _schema(resource_type)
    return schema is None or attribute in schema.get_atts


def problem(resource_type: str, properties: Mapping[str, Any]) -> str | None:
    """Why the registry refuses these properties by their names, or None."""
    body = _body(resource_type)
    known, required = body.get("properties"), body.get("required", [])
    if known is None:
        return None
    others = body.get("patternProperties", {})
    surplus = sorted(
        name for name in set(properties) - set(known) if not any(re.search(pattern, name) for pattern in others)
    )
    if surplus and body.get("additionalProperties") is False:
        return f"#: extraneous key [{surplus[0]}] is not permitted"
    missing = sorted(set(required) - set(properties))
    return f"#: required key [{missing[0]}] not found" if missing else None


def coerced(resource_type: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with texts made numbers and switches, and the reverse, where the schema wants them so.

    A template's values are often text: `Ref` of a Number parameter is, and so is all that `Fn::Sub` makes.
    """
    body = _body(resource_type)
    result: dict[str, Any] = _coerced(dict(properties), body, body)
    return result


def _coerced(value: Any, shape: Mapping[str, Any], body: Mapping[str, Any]) -> Any:
    while "$ref" in shape:
        shape = body["definitions"][shape["$ref"].rsplit("/", 1)[-1]]
    if isinstance(value, dict):
        members = shape.get("properties", {})
        return {name: _coerced(item, members.get(name, {}), body) for name, item in value.items()}
    if isinstance(value, list):
        return [_coerced(item, shape.get("items", {}), body) for item in value]
    kinds = shape.get("type", ())
    return _scalar(value, {kinds} if isinstance(kinds, str) else set(kinds))


def _scalar(value: Any, kinds: set[str]) -> Any:
    if isinstance(value, str) and kinds and "string" not in kinds:
        if kinds & {"integer", "number"} and _NUMBER.fullmatch(value):
            return float(value) if "." in value else int(value)
        if "boolean" in kinds and value in {"true", "false"}:
            return value == "true"
    if isinstance(value, bool) and kinds == {"string"}:
        return str(value).lower()
    if isinstance(value, int | float) and not isinstance(value, bool) and kinds == {"string"}:
        return str(value)
    return value
