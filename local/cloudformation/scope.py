"""What the names in a stack's template mean once its resources exist."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from local.cloudformation import intrinsics
from local.cloudformation.definition import PSEUDO, Definition
from local.cloudformation.errors import ValidationError, refused
from local.cloudformation.resource import Made
from local.world import REGION, World


class StackScope:
    """Args:
    made: the resource of a logical id; None if it does not exist.
    exports: every export's value by its name.
    """

    def __init__(
        self,
        world: World,
        definition: Definition,
        made: Callable[[str], Made | None],
        exports: Mapping[str, str],
    ) -> None:
        self._world, self._definition, self._made, self._exports = world, definition, made, exports
        self._known: dict[str, Any] = {**PSEUDO, **definition.stack, **definition.parameters.values}
        self.imports: set[str] = set()
        """Names of the exports that were asked for."""

    def properties(self, logical_id: str) -> dict[str, Any]:
        """A resource's properties as they are to be."""
        declared = self._definition.resources[logical_id].get("Properties", {})
        resolved: dict[str, Any] = self.value(declared)
        return resolved

    def value(self, expression: Any) -> Any:
        return intrinsics.with_stored_values(intrinsics.resolve(expression, self), self)

    def ref(self, name: str) -> Any:
        return self._known[name] if name in self._known else self._existing(name).physical_id

    def attribute(self, logical_id: str, attribute: str) -> Any:
        try:
            return self._existing(logical_id).attributes[attribute]
        except KeyError as error:
            raise ValidationError(
                f"Template error: resource {logical_id} does not support attribute type {attribute} in Fn::GetAtt"
            ) from error

    def _existing(self, logical_id: str) -> Made:
        made = self._made(logical_id)
        if made is None:
            raise ValidationError(f"Unresolved resource dependencies [{logical_id}]: its condition does not hold")
        return made

    def mapping(self, name: str) -> Mapping[str, Any]:
        mapping: Mapping[str, Any] = self._definition.template.section("Mappings")[name]
        return mapping

    def condition(self, name: str) -> bool:
        return self._definition.conditions[name]

    def imported(self, export: str) -> str:
        if export not in self._exports:
            raise ValidationError(f"No export named {export} found.")
        self.imports.add(export)
        return self._exports[export]

    def zones(self) -> list[str]:
        return [f"{REGION}{letter}" for letter in "abcdef"]

    def stored(self, service: str, name: str) -> str:
        return self._secret(name) if service == "secretsmanager" else self._parameter(name)

    def _parameter(self, path: str) -> str:
        try:
            parameter = self._world.client("ssm").get_parameter(Name=path)["Parameter"]
        except ClientError as error:
            raise ValidationError(
                f"Parameters: [ssm:{path}] cannot be found; create it, or correct the dynamic reference"
            ) from error
        if parameter["Type"] == "SecureString":
            raise ValidationError(f"SSM Secure reference is not supported for ssm:{path}; it is a SecureString")
        value: str = parameter["Value"]
        return value

    def _secret(self, reference: str) -> str:
        """A key of a secret's JSON, or all of it: `<id or ARN>:SecretString:<key>`, the newest version."""
        secret, _, key = reference.partition(":SecretString")
        key, _, version = key.removeprefix(":").partition(":")
        if version.strip(":"):
            raise refused(f"a version of a secret in a dynamic reference, {version}")
        try:
            text: str = self._world.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
            return str(json.loads(text)[key]) if key else text
        except ClientError as error:
            raise ValidationError(f"Secrets Manager can't find the specified secret {secret}") from error
        except (KeyError, ValueError) as error:
            raise ValidationError(f"Could not find a value for key {key} in SecretString of {secret}") from error


def described_output(name: str, output: Mapping[str, Any], scope: StackScope) -> dict[str, str]:
    """One of the template's Outputs as DescribeStacks shows it."""
    described = {"OutputKey": name, "OutputValue": str(scope.value(output["Value"]))}
    if "Description" in output:
        described["Description"] = output["Description"]
    if "Export" in output:
        described["ExportName"] = str(scope.value(output["Export"]["Name"]))
    return described
