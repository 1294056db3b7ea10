"""One resource of a stack whose type moto 5.2.5 skips or makes wrongly: made through its service's own API."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.common_models import CloudFormationModel

from local.world import World

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    physical_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ResourceType:
    """How one resource type comes, changes and goes."""

    put: Callable[[World, str, Properties], Made]
    """(world, name, properties): create the resource, or change the one that has this identity."""
    drop: Callable[[World, str, Properties], None]
    """(world, physical id, properties): undo `put`; no error if it is gone already."""
    identity: Callable[[str, Properties], Any]
    """(name, properties): what cannot change without a new resource."""
    name_property: str = ""
    attributes: str = "Arn"
    """What Fn::GetAtt may ask for, as a regular expression."""


class _Resource:
    """What moto keeps for one resource of a stack."""

    def __init__(self, world: World, deeds: ResourceType, name: str, properties: Properties, made: Made) -> None:
        self._world, self._deeds = world, deeds
        self.name, self.properties, self.made = name, properties, made

    @property
    def physical_resource_id(self) -> str:
        return self.made.physical_id

    def get_cfn_attribute(self, attribute: str) -> str:
        return self.made.attributes[attribute]

    def is_created(self) -> bool:
        return True

    def delete(self, _account_id: str, _region_name: str) -> None:
        self._deeds.drop(self._world, self.made.physical_id, self.properties)


def model(world: World, resource_type: str, deeds: ResourceType) -> type[CloudFormationModel]:
    """The class that moto's CloudFormation asks to create, update and delete resources of this type."""

    def create(resource_name: str, cloudformation_json: dict[str, Any], *_: Any, **__: Any) -> _Resource:
        properties = cloudformation_json["Properties"]
        return _Resource(world, deeds, resource_name, properties, deeds.put(world, resource_name, properties))

    def update(
        original_resource: _Resource, new_resource_name: str, cloudformation_json: dict[str, Any], **_: Any
    ) -> _Resource:
        properties = cloudformation_json["Properties"]
        # moto makes a new random name at every update; only a name that the template gives can change.
        name = new_resource_name if deeds.name_property in properties else original_resource.name
        if deeds.identity(name, properties) != deeds.identity(original_resource.name, original_resource.properties):
            original_resource.delete("", "")
            return create(name, cloudformation_json)
        made = deeds.put(world, name, properties)
        return _Resource(world, deeds, name, properties, made)

    members = {
        "cloudformation_name_type": staticmethod(lambda: deeds.name_property),
        "cloudformation_type": staticmethod(lambda: resource_type),
        "has_cfn_attr": staticmethod(lambda attribute: re.fullmatch(deeds.attributes, attribute) is not None),
        "create_from_cloudformation_json": staticmethod(create),
        "update_from_cloudformation_json": staticmethod(update),
    }
    return type(resource_type.replace("::", ""), (CloudFormationModel,), members)
