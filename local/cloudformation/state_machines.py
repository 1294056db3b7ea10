"""`AWS::StepFunctions::StateMachine`: its definition by value or from S3, with substitutions, in JSON or YAML."""

import json
import re
from typing import Any

import yaml
from botocore.exceptions import ClientError

from local.cloudformation.resource import Made, Properties, ResourceFailedError, ResourceType
from local.world import ACCOUNT, REGION, World

_PLACE = re.compile(r"\$\{([A-Za-z0-9_]+)\}")


def _definition(world: World, properties: Properties) -> str:
    """The definition in JSON, its substitutions made.

    Raises:
        ResourceFailedError: it is missing, or is neither JSON nor YAML.
    """
    text = _text(world, properties)
    substitutions = properties.get("DefinitionSubstitutions", {})
    text = _PLACE.sub(lambda place: str(substitutions.get(place[1], place[0])), text)
    try:
        return json.dumps(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ResourceFailedError(f"The state machine's definition is neither JSON nor YAML: {error}") from error


def _text(world: World, properties: Properties) -> str:
    if "DefinitionS3Location" in properties:
        where = properties["DefinitionS3Location"]
        asked = {"Bucket": where["Bucket"], "Key": where["Key"]}
        if "Version" in where:
            asked["VersionId"] = where["Version"]
        content: bytes = world.client("s3").get_object(**asked)["Body"].read()
        return content.decode()
    if "DefinitionString" in properties:
        return str(properties["DefinitionString"])
    if "Definition" in properties:
        return json.dumps(properties["Definition"])
    raise ResourceFailedError("Property Definition, DefinitionString or DefinitionS3Location is required")


def _camel(value: Any) -> Any:
    """CloudFormation's spelling as the API spells it."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if isinstance(value, dict):
        return {f"{key[:1].lower()}{key[1:]}": _camel(item) for key, item in value.items()}
    return value


def _put(world: World, name: str, properties: Properties) -> Made:
    states = world.client("stepfunctions")
    arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}"
    request = {
        "definition": _definition(world, properties),
        "roleArn": properties["RoleArn"],
        **{
            key: _camel(properties[member])
            for key, member in (
                ("loggingConfiguration", "LoggingConfiguration"),
                ("tracingConfiguration", "TracingConfiguration"),
            )
            if member in properties
        },
    }
    if _exists(states, arn):
        states.update_state_machine(stateMachineArn=arn, **request)
    else:
        kind = properties.get("StateMachineType", "STANDARD")
        states.create_state_machine(name=name, type=kind, tags=_camel(properties.get("Tags", [])), **request)
    return Made(arn, {"Arn": arn, "Name": name})


def _exists(states: Any, arn: str) -> bool:
    try:
        states.describe_state_machine(stateMachineArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "StateMachineDoesNotExist":
            raise
        return False
    return True


def _drop(world: World, physical_id: str, _: Properties) -> None:
    world.client("stepfunctions").delete_state_machine(stateMachineArn=physical_id)


TYPES = {
    "AWS::StepFunctions::StateMachine": ResourceType(
        _put, _drop, lambda name, _: name, "StateMachineName", attributes="Arn|Name"
    ),
}
