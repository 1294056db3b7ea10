"""JSON Schema, draft 2020-12, as the library has it; nothing is fetched from anywhere."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable


class JsonSchemas:
    def problem(self, schema: Mapping[str, Any]) -> str:
        try:
            Draft202012Validator.check_schema(schema)
            # A reference that leads nowhere is found when something is held against it.
            self.broken_at(schema, {})
        except SchemaError as error:
            return f"is no JSON Schema: {error.message[:200]}"
        except (Unresolvable, RecursionError) as error:
            return f"has a reference that leads nowhere: {str(error)[:200]}; put everything into the schema itself"
        return ""

    def broken_at(self, schema: Mapping[str, Any], value: Any) -> str:
        validator = Draft202012Validator(schema, registry=Registry())
        first = next(iter(validator.iter_errors(value)), None)
        return f"{first.json_path} ({first.validator})" if first else ""
