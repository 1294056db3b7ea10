"""The page's network: no way out but to the services that the page uses, and no door without a lock."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.contract.stack.documents import of_type, template

NETWORK = "infra/network.yaml"
ENTRANCE = "infra/entrance.yaml"
CHAT = "infra/chat.yaml"


def ways_for(action: str) -> set[str]:
    """The endpoints that an action needs, by https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html.

    A pull asks both of the registry's services, and its layers lie in S3
    (https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html).
    """
    service, verb = action.split(":")
    if service == "sagemaker":
        return {"sagemaker.runtime" if verb.startswith("Invoke") else "sagemaker.api"}
    if service == "cloudwatch":
        return {"monitoring"}
    return {"ecr.api", "ecr.dkr", "s3"} if service == "ecr" else {service}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def allowed(role: Mapping[str, Any]) -> Iterator[str]:
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            yield from as_list(statement["Action"])


def actions_of_the_page() -> set[str]:
    return {action for role in of_type(template(CHAT), "AWS::IAM::Role").values() for action in allowed(role)}


def endpoints() -> dict[str, dict[str, Any]]:
    """Service → the properties of the way to it."""
    found = of_type(template(NETWORK), "AWS::EC2::VPCEndpoint").values()
    return {each["ServiceName"]["Fn::Sub"].removeprefix("com.amazonaws.${AWS::Region}."): each for each in found}


def test_there_is_a_way_to_each_service_that_the_page_uses_and_to_no_other() -> None:
    assert set(endpoints()) == set().union(*map(ways_for, actions_of_the_page()))


def test_a_way_lets_through_what_the_page_may_do_and_nothing_else() -> None:
    through = {
        action
        for service, each in endpoints().items()
        if service != "s3"
        for statement in each["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
    }

    assert through == actions_of_the_page()


def test_private_subnets_lead_out_only_where_a_login_asks_for_it() -> None:
    resources = template(NETWORK)["Resources"]
    routes = of_type(template(NETWORK), "AWS::EC2::Route")
    private = [name for name, each in routes.items() if each["RouteTableId"] == {"Ref": "PrivateRouteTable"}]

    assert [resources[name]["Condition"] for name in private] == ["HasEgress"]
    assert template()["Parameters"]["ChatEgress"]["Default"] == "false"
    assert resources["EgressGateway"]["Condition"] == "HasEgress"


def test_tasks_stand_in_private_subnets_without_public_addresses() -> None:
    network = template(CHAT)["Resources"]["Service"]["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]

    assert network["AssignPublicIp"] == "DISABLED"
    chat = template()["Resources"]["Chat"]["Properties"]["Parameters"]
    assert chat["SubnetIds"] == {"Fn::GetAtt": ["Network", "Outputs.PrivateSubnetIds"]}


@pytest.mark.parametrize(
    ("property_name", "subject", "wanted"),
    [
        ("Scheme", "LoadBalancer", {"Fn::If": ["HasCertificate", "internet-facing", "internal"]}),
        ("SslPolicy", "SecureListener", "ELBSecurityPolicy-TLS13-1-3-2021-06"),
    ],
)
def test_what_faces_the_internet_has_a_certificate(property_name: str, subject: str, wanted: Any) -> None:
    assert template(ENTRANCE)["Resources"][subject]["Properties"][property_name] == wanted


def test_a_certificate_turns_plain_requests_away() -> None:
    (action,) = template(ENTRANCE)["Resources"]["PlainListener"]["Properties"]["DefaultActions"]
    condition, with_certificate, without = action["Fn::If"]

    assert (condition, with_certificate["Type"], without["Type"]) == ("HasCertificate", "redirect", "forward")


def test_the_login_comes_before_the_page_and_its_secrets_are_references() -> None:
    login, page = template(ENTRANCE)["Resources"]["SecureListener"]["Properties"]["DefaultActions"]
    asked = login["Fn::If"][1]["AuthenticateOidcConfig"]

    assert (login["Fn::If"][1]["Order"], page["Order"]) == (1, 2)
    assert asked["ClientSecret"]["Fn::Sub"].startswith("{{resolve:secretsmanager:${LoginSecretArn}:")
