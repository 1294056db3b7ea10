"""Lambda in a stack: moto 5.2.5 skips aliases and invoke configurations, and deletes no version and no permission."""

from typing import Any

from botocore.exceptions import ClientError

from local.cloudformation.resource import Made, Properties, ResourceType
from local.world import ACCOUNT, REGION, World


def _put_permission(world: World, name: str, properties: Properties) -> Made:
    request = {key: value for key, value in properties.items() if key != "InvokedViaFunctionUrl"}
    world.client("lambda").add_permission(StatementId=name, **request)
    return Made(name, {"Id": name})


def _drop_permission(world: World, physical_id: str, properties: Properties) -> None:
    _unless_gone(
        lambda client: client.remove_permission(FunctionName=properties["FunctionName"], StatementId=physical_id), world
    )


def _unless_gone(call: Any, world: World) -> None:
    try:
        call(world.client("lambda"))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise


def _put_version(world: World, _: str, properties: Properties) -> Made:
    request = {key: properties[key] for key in ("FunctionName", "CodeSha256", "Description") if key in properties}
    published = world.client("lambda").publish_version(**request)
    arn, version = published["FunctionArn"], published["Version"]
    qualified = arn if arn.endswith(f":{version}") else f"{arn}:{version}"
    return Made(qualified, {"FunctionArn": qualified, "Version": version})


def _drop_version(world: World, physical_id: str, properties: Properties) -> None:
    version = physical_id.rsplit(":", 1)[-1]
    _unless_gone(
        lambda client: client.delete_function(
            FunctionName=_function_name(properties["FunctionName"]), Qualifier=version
        ),
        world,
    )


def _put_layer_version(world: World, name: str, properties: Properties) -> Made:
    request = {**properties, "LayerName": properties.get("LayerName", name)}
    arn = world.client("lambda").publish_layer_version(**request)["LayerVersionArn"]
    return Made(arn, {"LayerVersionArn": arn})


def _drop_layer_version(world: World, physical_id: str, _: Properties) -> None:
    layer, version = physical_id.rsplit(":", 1)
    world.client("lambda").delete_layer_version(LayerName=layer, VersionNumber=int(version))


def _put_event_invoke_config(world: World, name: str, properties: Properties) -> Made:
    world.client("lambda").put_function_event_invoke_config(
        # The version that the configuration is for: the local Lambda runs the newest one only.
        **{key: value for key, value in properties.items() if key != "Qualifier"}
    )
    return Made(name)


def _drop_event_invoke_config(world: World, _: str, properties: Properties) -> None:
    client = world.client("lambda")
    name = _function_name(properties["FunctionName"])
    if name in {function["FunctionName"] for function in client.list_functions()["Functions"]}:
        client.delete_function_event_invoke_config(FunctionName=name)


def _function_name(name_or_arn: str) -> str:
    return name_or_arn.split(":")[6] if name_or_arn.startswith("arn:") else name_or_arn


def _put_alias(world: World, _: str, properties: Properties) -> Made:
    client = world.client("lambda")
    function, alias = _function_name(properties["FunctionName"]), properties["Name"]
    request = {
        "FunctionName": function,
        "Name": alias,
        "FunctionVersion": properties["FunctionVersion"],
        "Description": properties.get("Description", ""),
    }
    known = {item["Name"] for item in client.list_aliases(FunctionName=function)["Aliases"]}
    client.update_alias(**request) if alias in known else client.create_alias(**request)
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}:{alias}"
    return Made(arn, {"AliasArn": arn})


def _drop_alias(world: World, _: str, properties: Properties) -> None:
    client = world.client("lambda")
    function = _function_name(properties["FunctionName"])
    if function in {item["FunctionName"] for item in client.list_functions()["Functions"]}:
        client.delete_alias(FunctionName=function, Name=properties["Name"])


TYPES = {
    "AWS::Lambda::Alias": ResourceType(
        _put_alias,
        _drop_alias,
        lambda _, properties: (properties["FunctionName"], properties["Name"]),
        attributes="AliasArn",
        refuses=frozenset({"ProvisionedConcurrencyConfig", "RoutingConfig"}),
    ),
    "AWS::Lambda::EventInvokeConfig": ResourceType(
        _put_event_invoke_config, _drop_event_invoke_config, lambda _, properties: properties["FunctionName"]
    ),
    "AWS::Lambda::LayerVersion": ResourceType(
        _put_layer_version,
        _drop_layer_version,
        lambda _, __: None,
        "LayerName",
        attributes="LayerVersionArn",
        revisions=True,
    ),
    "AWS::Lambda::Permission": ResourceType(_put_permission, _drop_permission, lambda name, _: name, attributes="Id"),
    "AWS::Lambda::Version": ResourceType(
        _put_version,
        _drop_version,
        lambda _, __: None,
        attributes="FunctionArn|Version",
        refuses=frozenset({"FunctionScalingConfig", "ProvisionedConcurrencyConfig", "RuntimePolicy"}),
    ),
}
