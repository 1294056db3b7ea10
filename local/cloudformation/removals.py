"""How to delete, through each service's API, what moto's models never delete, or delete with all that it holds."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local.cloudformation.resource import Properties
from local.world import World

Removal = Callable[[World, str, Properties], None]


def _by(service: str, operation: str, argument: str) -> Removal:
    """One call that takes the physical id."""

    def remove(world: World, physical_id: str, _: Properties) -> None:
        getattr(world.client(service), operation)(**{argument: physical_id})

    return remove


def _route(world: World, _: str, properties: Properties) -> None:
    destination = {
        name: properties[name] for name in ("DestinationCidrBlock", "DestinationIpv6CidrBlock") if name in properties
    }
    world.client("ec2").delete_route(RouteTableId=properties["RouteTableId"], **destination)


def _association(world: World, _: str, properties: Properties) -> None:
    ec2 = world.client("ec2")
    for table in ec2.describe_route_tables(RouteTableIds=[properties["RouteTableId"]])["RouteTables"]:
        for association in table["Associations"]:
            if association.get("SubnetId") == properties["SubnetId"]:
                ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])


def _gateway_attachment(world: World, _: str, properties: Properties) -> None:
    if "InternetGatewayId" in properties:
        world.client("ec2").detach_internet_gateway(
            InternetGatewayId=properties["InternetGatewayId"], VpcId=properties["VpcId"]
        )
    else:
        world.client("ec2").detach_vpn_gateway(VpnGatewayId=properties["VpnGatewayId"], VpcId=properties["VpcId"])


def _address(world: World, public_ip: str, _: Properties) -> None:
    ec2 = world.client("ec2")
    [address] = ec2.describe_addresses(PublicIps=[public_ip])["Addresses"]
    ec2.release_address(AllocationId=address["AllocationId"])


def _repository(world: World, name: str, properties: Properties) -> None:
    world.client("ecr").delete_repository(repositoryName=name, force=bool(properties.get("EmptyOnDelete")))


def _cluster(world: World, name: str, _: Properties) -> None:
    _unless_gone(lambda: world.client("ecs").delete_cluster(cluster=name), "ClusterNotFoundException")


def _unless_gone(call: Callable[[], Any], code: str) -> None:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise


REMOVALS: dict[str, Removal] = {
    "AWS::EC2::EIP": _address,
    "AWS::EC2::InternetGateway": _by("ec2", "delete_internet_gateway", "InternetGatewayId"),
    "AWS::EC2::NatGateway": _by("ec2", "delete_nat_gateway", "NatGatewayId"),
    "AWS::EC2::Route": _route,
    "AWS::EC2::RouteTable": _by("ec2", "delete_route_table", "RouteTableId"),
    "AWS::EC2::SubnetRouteTableAssociation": _association,
    "AWS::EC2::VPCGatewayAttachment": _gateway_attachment,
    "AWS::ECR::Repository": _repository,
    "AWS::ECS::Cluster": _cluster,
    "AWS::ElasticLoadBalancingV2::Listener": _by("elbv2", "delete_listener", "ListenerArn"),
    "AWS::ElasticLoadBalancingV2::ListenerRule": _by("elbv2", "delete_rule", "RuleArn"),
    "AWS::ElasticLoadBalancingV2::TargetGroup": _by("elbv2", "delete_target_group", "TargetGroupArn"),
    "AWS::IAM::ManagedPolicy": _by("iam", "delete_policy", "PolicyArn"),
    "AWS::S3::Bucket": _by("s3", "delete_bucket", "Bucket"),
}
