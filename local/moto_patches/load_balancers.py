"""Load balancers: there is one, and its address is a port of this machine."""

from typing import Any

from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import ELBv2Backend, FakeLoadBalancer

from local.moto_patches.patching import Patches


class TooManyLoadBalancersError(ELBClientError):
    def __init__(self, taken_by: str, ui_port: int) -> None:
        super().__init__(
            "TooManyLoadBalancers",
            f"the local AWS has one load balancer, on 127.0.0.1:{ui_port}, and {taken_by} is it; delete that one first",
        )


def install(patches: Patches, ui_port: int) -> None:
    """Args:
    ui_port: where the one load balancer answers, on 127.0.0.1.
    """
    _answer_at_the_local_address(patches, ui_port)
    _tell_the_name_that_metrics_have(patches)


def _answer_at_the_local_address(patches: Patches, ui_port: int) -> None:
    """moto gives a load balancer a name under elb.amazonaws.com, where nothing of this machine answers."""

    def create_load_balancer(backend: ELBv2Backend, *args: Any, **named: Any) -> Any:
        others = [balancer.name for balancer in backend.load_balancers.values()]
        if others:
            raise TooManyLoadBalancersError(others[0], ui_port)
        balancer = original(backend, *args, **named)
        balancer.dns_name = f"127.0.0.1:{ui_port}"
        return balancer

    original = patches.replace(ELBv2Backend, "create_load_balancer", create_load_balancer)


def _tell_the_name_that_metrics_have(patches: Patches) -> None:
    """moto lists LoadBalancerFullName among a load balancer's attributes in a stack, and then does not know it."""

    def get_cfn_attribute(balancer: FakeLoadBalancer, attribute_name: str) -> Any:
        if attribute_name == "LoadBalancerFullName":
            return balancer.arn.partition(":loadbalancer/")[2]
        return original(balancer, attribute_name)

    original = patches.replace(FakeLoadBalancer, "get_cfn_attribute", get_cfn_attribute)
