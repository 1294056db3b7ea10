"""What the world can reach."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.verify.rules.registry import Properties, as_list, rule_of

_FSBP = "AWS Foundational Security Best Practices"
_EVERYWHERE = ("0.0.0.0/0", "::/0")


@rule_of(
    "AWS::EC2::SecurityGroup",
    "doors-are-narrow",
    "nobody enters from everywhere, and each door says for whom",
    f"{_FSBP} EC2.18",
)
def _doors(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    for each in as_list(properties.get("SecurityGroupIngress")):
        if each.get("CidrIp") in _EVERYWHERE or each.get("CidrIpv6") in _EVERYWHERE:
            yield f"port {each.get('FromPort')} is open to everywhere"
        if not each.get("Description"):
            yield f"port {each.get('FromPort')} does not say for whom it is open"


@rule_of("AWS::EC2::Subnet", "addresses-are-asked-for", "no subnet gives public addresses by itself", f"{_FSBP} EC2.15")
def _addresses(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    if properties.get("MapPublicIpOnLaunch") is True:
        yield "MapPublicIpOnLaunch is true"


@rule_of(
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "requests-are-exact",
    "a request that two servers could read differently is dropped",
    f"{_FSBP} ELB.4, ELB.12",
)
def _exact(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    given = {each["Key"]: each["Value"] for each in properties.get("LoadBalancerAttributes", [])}
    if given.get("routing.http.drop_invalid_header_fields.enabled") != "true":
        yield "invalid header fields are passed on"
    if given.get("routing.http.desync_mitigation_mode") not in {"defensive", "strictest"}:
        yield "routing.http.desync_mitigation_mode is neither defensive nor strictest"


@rule_of("AWS::ElasticLoadBalancingV2::Listener", "tls-1-3", "a listener speaks TLS 1.3", f"{_FSBP} ELB.17")
def _tls(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    if properties.get("Protocol") != "HTTPS":
        yield f"it speaks {properties.get('Protocol')}"
    elif "TLS13" not in str(properties.get("SslPolicy")):
        yield f"its policy is {properties.get('SslPolicy')}"
