"""ECS in a stack: moto 5.2.5 drops a task definition's roles and a service's load balancers on their way to ECS."""

from typing import Any

from local.cloudformation.resource import Made, Properties, ResourceType
from local.world import World


def _camel(value: Any) -> Any:
    """CloudFormation's spelling of ECS's fields as the API spells them; names that people choose keep theirs."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if isinstance(value, dict):
        return {
            f"{key[:1].lower()}{key[1:]}": item if key in {"DockerLabels", "Options"} else _camel(item)
            for key, item in value.items()
        }
    return value


def _put_task_definition(world: World, name: str, properties: Properties) -> Made:
    # The numbers of a template may be strings, so the service judges the request, not the client.
    ecs = world.client("ecs", validate=False)
    registered = ecs.register_task_definition(**{"family": name, **_camel(dict(properties))})
    arn = registered["taskDefinition"]["taskDefinitionArn"]
    return Made(arn, {"TaskDefinitionArn": arn})


def _drop_task_definition(world: World, physical_id: str, _: Properties) -> None:
    world.client("ecs").deregister_task_definition(taskDefinition=physical_id)


def _put_service(world: World, name: str, properties: Properties) -> Made:
    ecs = world.client("ecs", validate=False)
    wanted = _camel(dict(properties)) | {"serviceName": name}
    wanted["desiredCount"] = int(wanted.get("desiredCount", 1))
    cluster = wanted["cluster"]
    known = ecs.describe_services(cluster=cluster, services=[name])["services"]
    if any(service["status"] == "ACTIVE" for service in known):
        answer = ecs.update_service(
            cluster=cluster,
            service=name,
            desiredCount=wanted["desiredCount"],
            taskDefinition=wanted["taskDefinition"],
        )
    else:
        answer = ecs.create_service(**wanted)
    arn = answer["service"]["serviceArn"]
    return Made(arn, {"ServiceArn": arn, "Name": name})


def _drop_service(world: World, physical_id: str, properties: Properties) -> None:
    world.client("ecs").delete_service(cluster=properties["Cluster"], service=physical_id, force=True)


TYPES = {
    "AWS::ECS::TaskDefinition": ResourceType(
        _put_task_definition,
        _drop_task_definition,
        lambda name, _: name,
        "Family",
        attributes="TaskDefinitionArn",
        revisions=True,
    ),
    "AWS::ECS::Service": ResourceType(
        _put_service,
        _drop_service,
        lambda name, properties: (name, properties["Cluster"], properties.get("LoadBalancers")),
        "ServiceName",
        attributes="ServiceArn|Name",
    ),
}
