"""How a type's resources come and go: through its service's API, through moto's own model, or on paper only."""

import random
import re
import string
from collections.abc import Iterator, Mapping
from typing import Any

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.common_models import CloudFormationModel
from moto.ec2.models import ec2_backends
from moto.ec2.models.core import TaggedEC2Resource

from local.cloudformation import schemas
from local.cloudformation.removals import REMOVALS
from local.cloudformation.resource import Made, Order, Properties, ResourceFailedError, ResourceType, StackResource
from local.cloudformation.updates import CHANGED_BY_MOTO, IN_PLACE
from local.world import ACCOUNT, REGION, World

_SUFFIX_LENGTH = 12
_LETTERS = string.ascii_uppercase + string.digits
# How long a generated name may be, and for which types it is in lower case.
_NAME_LENGTHS = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": 32,
    "AWS::ElasticLoadBalancingV2::TargetGroup": 32,
    "AWS::IAM::Role": 64,
    "AWS::Lambda::Function": 64,
    "AWS::S3::Bucket": 63,
}
_LONGEST_NAME = 80
_LOWER_CASE = frozenset({"AWS::ECR::Repository", "AWS::S3::Bucket"})
_names = random.SystemRandom()


def generated_name(stack: str, logical_id: str, resource_type: str) -> str:
    """`<stack>-<logical id>-<12 random letters and digits>`, cut to what the service allows."""
    suffix = "".join(_names.choices(_LETTERS, k=_SUFFIX_LENGTH))
    room = _NAME_LENGTHS.get(resource_type, _LONGEST_NAME) - _SUFFIX_LENGTH - 1
    name = f"{f'{stack}-{logical_id}'[:room].rstrip('-')}-{suffix}"
    return name.lower() if resource_type in _LOWER_CASE else name


def _differing(before: Properties, after: Properties) -> set[str]:
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


class ApiType:
    """Resources made through their service's API."""

    def __init__(self, world: World, name: str, deeds: ResourceType) -> None:
        self._world, self._type, self._deeds = world, name, deeds
        self.name_property, self.refuses = deeds.name_property, deeds.refuses

    def create(self, order: Order) -> Made:
        return self._deeds.put(self._world, order.name, order.properties)

    def update(self, order: Order, current: StackResource) -> Made:
        return self._deeds.put(self._world, current.name, order.properties)

    def delete(self, current: StackResource) -> None:
        self._deeds.drop(self._world, current.physical_id, current.properties)

    def recreates(self, current: StackResource, properties: Properties) -> frozenset[str]:
        differing = _differing(current.properties, properties)
        fixed = differing & schemas.create_only(self._type)
        name = properties.get(self.name_property, current.name)
        before = self._deeds.identity(current.name, current.properties)
        if not fixed and self._deeds.identity(name, properties) != before:
            return frozenset(differing)
        return frozenset(fixed)

    def reuses_name(self) -> bool:
        return self._deeds.revisions

    def has_attribute(self, name: str) -> bool:
        return re.fullmatch(self._deeds.attributes, name) is not None


def deletes(model: type[CloudFormationModel]) -> bool:
    """Whether moto's model deletes what it makes: its base answers the same call and does nothing."""
    inherited = vars(CloudFormationModel)["delete_from_cloudformation_json"].__func__
    own: Any = model.delete_from_cloudformation_json
    return own.__func__ is not inherited or hasattr(model, "delete")


class MotoType:
    """Resources that moto's own model of the type makes.

    Only changes that `updates.IN_PLACE` lists are made in place: moto deletes and creates many resources to change
    them, and what they hold with them.
    """

    refuses: frozenset[str] = frozenset()

    def __init__(self, world: World, name: str, model: type[CloudFormationModel]) -> None:
        self._world, self._type, self._model = world, name, model
        self.name_property = model.cloudformation_name_type() or ""

    def create(self, order: Order) -> Made:
        # Some models read their name from the properties only.
        named = {self.name_property: order.name} if self.name_property else {}
        declaration = {"Type": order.type, "Properties": {**named, **order.properties}}
        resource: Any = self._model.create_from_cloudformation_json(
            order.name,
            declaration,
            ACCOUNT,
            REGION,
            LogicalId=order.logical_id,
            StackId=order.stack_id,
            ResourceType=order.type,
        )
        made = Made(getattr(resource, "physical_resource_id", order.name), _MotoAttributes(resource), resource)
        if isinstance(resource, TaggedEC2Resource):
            tags = {
                "aws:cloudformation:stack-name": order.stack_name,
                "aws:cloudformation:stack-id": order.stack_id,
                "aws:cloudformation:logical-id": order.logical_id,
            }
            ec2_backends[ACCOUNT][REGION].create_tags([made.physical_id], tags)
        return made

    def update(self, order: Order, current: StackResource) -> Made:
        if self._type in CHANGED_BY_MOTO:
            return self._changed_by_moto(order, current)
        change = IN_PLACE.get(self._type)
        known = change.properties if change else frozenset()
        if refused := sorted(_differing(current.properties, order.properties) - known):
            raise ResourceFailedError(
                f"local AWS does not change {', '.join(refused)} of {self._type} in place; "
                "take the resource out of the template, update, and put it back"
            )
        if change:
            change.apply(self._world, current.physical_id, order.properties)
        return Made(current.physical_id, _MotoAttributes(self._handle(current)), self._handle(current))

    def _changed_by_moto(self, order: Order, current: StackResource) -> Made:
        changed: Any = self._model.update_from_cloudformation_json(
            original_resource=self._handle(current),
            new_resource_name=current.name,
            cloudformation_json={"Type": order.type, "Properties": dict(order.properties)},
            account_id=ACCOUNT,
            region_name=REGION,
        )
        # Some models answer the request's fields instead of the resource.
        resource = changed if hasattr(changed, "physical_resource_id") else self._handle(current)
        return Made(resource.physical_resource_id, _MotoAttributes(resource), resource)

    def delete(self, current: StackResource) -> None:
        resource = self._handle(current)
        if self._type in REMOVALS:
            REMOVALS[self._type](self._world, current.physical_id, current.properties)
        elif hasattr(resource, "delete"):
            resource.delete(ACCOUNT, REGION)
        else:
            declaration = {"Type": self._type, "Properties": dict(current.properties)}
            self._model.delete_from_cloudformation_json(current.physical_id, declaration, ACCOUNT, REGION)

    def _handle(self, current: StackResource) -> Any:
        return current.made.handle if current.made else None

    def recreates(self, current: StackResource, properties: Properties) -> frozenset[str]:
        return frozenset(_differing(current.properties, properties) & schemas.create_only(self._type))

    def reuses_name(self) -> bool:
        return False

    def has_attribute(self, name: str) -> bool:
        return schemas.has_attribute(self._type, name)


class _MotoAttributes(Mapping[str, Any]):
    """What Fn::GetAtt answers, asked when it is needed."""

    def __init__(self, resource: Any) -> None:
        self._resource = resource

    def __getitem__(self, name: str) -> Any:
        try:
            return self._resource.get_cfn_attribute(name)
        except (UnformattedGetAttTemplateException, NotImplementedError) as error:
            raise KeyError(name) from error

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class RecordedType:
    """Resources that a stack may hold although nothing acts on them."""

    name_property = ""
    refuses: frozenset[str] = frozenset()

    def __init__(self, name: str) -> None:
        _, self._service, self._kind = name.lower().split("::")

    def create(self, order: Order) -> Made:
        arn = f"arn:aws:{self._service}:{REGION}:{ACCOUNT}:{self._kind}/{order.name}"
        return Made(order.name, {"Arn": arn, "Id": order.name})

    def update(self, order: Order, current: StackResource) -> Made:  # noqa: ARG002 - a provider's signature
        return current.made or Made(current.name)

    def delete(self, current: StackResource) -> None:
        """There is nothing."""

    def recreates(self, current: StackResource, properties: Properties) -> frozenset[str]:  # noqa: ARG002 - as above
        return frozenset()

    def reuses_name(self) -> bool:
        return False

    def has_attribute(self, name: str) -> bool:
        return name in {"Arn", "Id"}
