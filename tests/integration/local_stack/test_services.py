"""An ECS service of a stack is a process: started, replaced, restarted and stopped as the service says."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from local.deploy import deploy
from local.ecs import EcsServices
from local.gateway import bind
from local.images import ImageStore
from local.moto_patches import load_balancers
from local.moto_patches.patching import Patches
from local.world import World
from tests.builders.stacks import deleted

SERVER = """
import http.server, json, os, pathlib, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            os._exit(3)
        body = json.dumps({"env": dict(os.environ), "argv": sys.argv[1:], "pid": os.getpid()}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Page).serve_forever()
"""

TEMPLATE = """
Parameters: {Image: {Type: String, Default: ""}, Colour: {Type: String, Default: red}}
Conditions: {HasImage: !Not [!Equals [!Ref Image, ""]]}
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.0.0/24}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Subnets: [!Ref Subnet]}}
  Group: {Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {Port: 80, Protocol: HTTP, VpcId: !Ref Vpc}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com}, Action: sts:AssumeRole}]
  Cluster: {Type: AWS::ECS::Cluster}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: page
      RequiresCompatibilities: [FARGATE]
      Cpu: "256"
      Memory: "512"
      TaskRoleArn: !GetAtt Role.Arn
      ContainerDefinitions:
        - Name: page
          Image: !If [HasImage, !Ref Image, none]
          Command: [now]
          Environment: [{Name: HOST, Value: 0.0.0.0}, {Name: PORT, Value: "80"}, {Name: COLOUR, Value: !Ref Colour}]
  Service:
    Type: AWS::ECS::Service
    Properties:
      ServiceName: page
      Cluster: !Ref Cluster
      TaskDefinition: !Ref Task
      DesiredCount: !If [HasImage, 1, 0]
      LoadBalancers: [{ContainerName: page, ContainerPort: 80, TargetGroupArn: !Ref Group}]
Outputs: {Url: {Value: !Sub "http://${Balancer.DNSName}"}, Cluster: {Value: !Ref Cluster}}
"""


def _free_port() -> int:
    listener = bind(0)
    port: int = listener.getsockname()[1]
    listener.close()
    return port


@pytest.fixture
def services(world: World, patches: Patches) -> Iterator[EcsServices]:
    ui_port = _free_port()
    services = EcsServices(world, ImageStore(world), ui_port)
    load_balancers.install(patches, ui_port)
    services.start()
    yield services
    services.stop()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "page.yaml"
    path.write_text(TEMPLATE)
    return path


@pytest.fixture
def image(world: World, tmp_path: Path) -> str:
    context = tmp_path / "page"
    context.mkdir()
    (context / "serve.py").write_text(SERVER)
    world.client("ecr").create_repository(repositoryName="page")
    store = ImageStore(world)
    return store.push(store.build("page", context, ["python", "serve.py"], {"FROM_IMAGE": "yes"}), "release-1")


def _eventually(look: Callable[[], Any], within_s: float = 15.0) -> Any:
    deadline = time.monotonic() + within_s
    while True:
        try:
            if answer := look():
                return answer
        except OSError:
            pass
        assert time.monotonic() < deadline, f"not seen within {within_s} s"
        time.sleep(0.05)


def _page(url: str) -> Any:
    with urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read())


def _service(world: World, outputs: dict[str, str]) -> Any:
    return world.client("ecs").describe_services(cluster=outputs["Cluster"], services=["page"])["services"][0]


def test_a_service_runs_its_container_at_the_load_balancers_address(
    world: World, services: EcsServices, template: Path, image: str
) -> None:
    outputs = deploy(world, template, "page", {"Image": image})

    page = _eventually(lambda: _page(outputs["Url"]))
    assert page["argv"] == ["now"]
    assert page["env"]["HOST"] == "127.0.0.1"
    assert page["env"]["PORT"] == outputs["Url"].rsplit(":", 1)[1]
    assert (page["env"]["COLOUR"], page["env"]["FROM_IMAGE"]) == ("red", "yes")
    assert page["env"]["AWS_ENDPOINT_URL"] == world.url
    assert _eventually(lambda: _service(world, outputs)["runningCount"]) == 1


def test_the_container_acts_as_the_tasks_role(world: World, services: EcsServices, template: Path, image: str) -> None:
    outputs = deploy(world, template, "page", {"Image": image})
    env = _eventually(lambda: _page(outputs["Url"]))["env"]

    keys = {
        "AccessKeyId": env["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": env["AWS_SECRET_ACCESS_KEY"],
        "SessionToken": env["AWS_SESSION_TOKEN"],
    }
    caller = world.client("sts", keys).get_caller_identity()["Arn"]

    role = world.client("cloudformation").describe_stack_resource(StackName="page", LogicalResourceId="Role")
    assert role["StackResourceDetail"]["PhysicalResourceId"] in caller


def test_no_process_runs_while_no_image_is_given(world: World, services: EcsServices, template: Path) -> None:
    outputs = deploy(world, template, "page")
    time.sleep(0.6)  # two looks

    assert _service(world, outputs)["desiredCount"] == 0
    with pytest.raises(OSError, match="refused"):
        _page(outputs["Url"])


def test_an_update_replaces_the_process_and_a_deletion_ends_it(
    world: World, services: EcsServices, template: Path, image: str
) -> None:
    outputs = deploy(world, template, "page", {"Image": image})
    first = _eventually(lambda: _page(outputs["Url"]))

    deploy(world, template, "page", {"Image": image, "Colour": "blue"})
    second = _eventually(lambda: (page := _page(outputs["Url"]))["env"]["COLOUR"] == "blue" and page)
    deleted(world.client("cloudformation"), "page")

    assert second["pid"] != first["pid"]
    _eventually(lambda: not Path(f"/proc/{second['pid']}").exists())


def test_a_crashed_container_is_restarted_and_the_service_says_so(
    world: World, services: EcsServices, template: Path, image: str
) -> None:
    outputs = deploy(world, template, "page", {"Image": image})
    first = _eventually(lambda: _page(outputs["Url"]))
    with pytest.raises(OSError, match="closed"):
        _page(f"{outputs['Url']}/crash")

    second = _eventually(lambda: _page(outputs["Url"]))

    assert second["pid"] != first["pid"]
    assert "exit code 3" in " ".join(event["message"] for event in _service(world, outputs)["events"])


def test_an_image_that_was_never_pushed_is_named_in_the_services_events(
    world: World, services: EcsServices, template: Path
) -> None:
    outputs = deploy(world, template, "page", {"Image": "page:nowhere"})

    messages = _eventually(lambda: [event["message"] for event in _service(world, outputs)["events"]])

    assert "page:nowhere is not in the local registry; push it first" in messages[0]


def test_a_second_load_balancer_is_refused_because_there_is_one_address(
    world: World, services: EcsServices, template: Path
) -> None:
    deploy(world, template, "page")
    subnet = world.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]

    with pytest.raises(world.client("elbv2").exceptions.ClientError, match="has one load balancer"):
        world.client("elbv2").create_load_balancer(Name="second", Subnets=[subnet])
