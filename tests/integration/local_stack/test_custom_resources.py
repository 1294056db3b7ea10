"""Custom resources as https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html describes them."""

import json
import threading
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from local.world import World
from tests.builders.stacks import deleted, settled

TOKEN = "arn:aws:lambda:us-east-1:123456789012:function:maker"
Answer = Callable[[dict[str, Any]], dict[str, Any] | bytes | None]


class Maker:
    """The stack owner's function: keeps what it was asked and answers over HTTP, as Lambda's own process would."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Answer = lambda _: {"Status": "SUCCESS", "PhysicalResourceId": "thing-1"}

    def invoke(self, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803 - boto3's names
        assert (FunctionName, InvocationType) == (TOKEN, "Event")
        self.asked.append(json.loads(Payload))
        threading.Thread(target=self._reply, args=(self.asked[-1],)).start()

    def _reply(self, request: dict[str, Any]) -> None:
        said = self.answer(request)
        if said is None:
            return
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        put = urllib.request.Request(request["ResponseURL"], body, {"Content-Type": ""}, method="PUT")  # noqa: S310 - this process's own address
        urllib.request.urlopen(put, timeout=10).close()  # noqa: S310 - as above


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Maker:
    maker, client = Maker(), World.client
    monkeypatch.setattr(
        World, "client", lambda world, service: maker if service == "lambda" else client(world, service)
    )
    return maker


@pytest.fixture
def stacks(world: World) -> Any:
    return world.client("cloudformation")


def body(**properties: Any) -> str:
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "t"}}
    given = {"ServiceToken": TOKEN, "Size": 3, "Wide": True, **properties}
    thing = {"Type": "Custom::Thing", "DependsOn": "T", "Properties": given}
    outputs = {"Colour": {"Value": {"Fn::GetAtt": "C.Colour"}}} if "Colour" in properties else {}
    return json.dumps({"Resources": {"T": topic, "C": thing}, "Outputs": outputs})


def create(stacks: Any, template: str) -> dict[str, Any]:
    stacks.create_stack(StackName="s", TemplateBody=template)
    return settled(stacks, "s")


def why(stacks: Any, status: str) -> str:
    events = stacks.describe_stack_events(StackName="s")["StackEvents"]
    reasons = [
        event["ResourceStatusReason"]
        for event in events
        if (event["LogicalResourceId"], event["ResourceStatus"]) == ("C", status)
    ]
    return str(reasons[0])


def test_a_function_is_asked_to_make_to_change_and_to_delete(stacks: Any, maker: Maker) -> None:
    maker.answer = lambda _: {"Status": "SUCCESS", "PhysicalResourceId": "thing-1", "Data": {"Colour": "red"}}
    made = create(stacks, body(Colour="red"))
    stacks.update_stack(StackName="s", TemplateBody=body(Colour="blue"))
    assert settled(stacks, "s")["StackStatus"] == "UPDATE_COMPLETE"
    assert deleted(stacks, "s")["StackStatus"] == "DELETE_COMPLETE"

    assert made["Outputs"] == [{"OutputKey": "Colour", "OutputValue": "red"}]
    first, second, third = maker.asked
    texts = {"ServiceToken": TOKEN, "Size": "3", "Wide": "true", "Colour": "red"}
    assert (first["RequestType"], first["ResourceProperties"]) == ("Create", texts)
    assert (first["ResourceType"], first["LogicalResourceId"]) == ("Custom::Thing", "C")
    assert (second["RequestType"], second["OldResourceProperties"]) == ("Update", texts)
    assert second["ResourceProperties"] == {**texts, "Colour": "blue"}
    assert (third["RequestType"], third["PhysicalResourceId"]) == ("Delete", "thing-1")
    assert {request["StackId"] for request in maker.asked} == {made["StackId"]}
    assert len({request["RequestId"] for request in maker.asked}) == 3


def test_another_physical_id_is_another_resource_and_the_old_one_is_deleted(stacks: Any, maker: Maker) -> None:
    create(stacks, body())
    maker.answer = lambda _: {"Status": "SUCCESS", "PhysicalResourceId": "thing-2"}

    stacks.update_stack(StackName="s", TemplateBody=body(More="1"))

    assert settled(stacks, "s")["StackStatus"] == "UPDATE_COMPLETE"
    assert [(one["RequestType"], one.get("PhysicalResourceId")) for one in maker.asked] == [
        ("Create", None),
        ("Update", "thing-1"),
        ("Delete", "thing-1"),
    ]


def test_a_refused_deletion_keeps_what_the_resource_depends_on(world: World, stacks: Any, maker: Maker) -> None:
    """What others depend on goes after them: AWS's TemplateReference/aws-attribute-dependson.html."""
    create(stacks, body())
    maker.answer = lambda _: {"Status": "FAILED", "Reason": "it is in use", "PhysicalResourceId": "thing-1"}

    refused = deleted(stacks, "s")

    assert refused["StackStatus"] == "DELETE_FAILED"
    assert refused["StackStatusReason"] == "The following resource(s) failed to delete: [C]. "
    assert "Message returned: it is in use (RequestId: " in why(stacks, "DELETE_FAILED")
    assert len(world.client("sns").list_topics()["Topics"]) == 1
    maker.answer = lambda _: {"Status": "SUCCESS", "PhysicalResourceId": "thing-1"}
    assert deleted(stacks, "s")["StackStatus"] == "DELETE_COMPLETE"
    assert world.client("sns").list_topics()["Topics"] == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param({"Status": "FAILED", "Reason": "no"}, "Message returned: no", id="failed"),
        pytest.param(None, "did not receive a response", id="silence"),
        pytest.param(b"yes", "Invalid Response object", id="no JSON"),
        pytest.param({"Status": "DONE"}, "must be SUCCESS or FAILED", id="no status"),
        pytest.param({"Status": "SUCCESS"}, "Invalid PhysicalResourceId", id="no id"),
        pytest.param({"Status": "SUCCESS", "Reason": "x" * 4096}, "Response object is too long", id="too long"),
    ],
)
def test_what_is_no_good_answer_fails_the_resource(
    stacks: Any, maker: Maker, answer: dict[str, Any] | bytes | None, reason: str
) -> None:
    maker.answer = lambda _: answer

    assert create(stacks, body(ServiceTimeout=20))["StackStatus"] == "ROLLBACK_COMPLETE"

    assert reason in why(stacks, "CREATE_FAILED")


def test_topics_are_refused_by_name(stacks: Any, maker: Maker) -> None:
    create(stacks, body(ServiceToken="arn:aws:sns:us-east-1:123456789012:t"))

    assert "asks functions alone for custom resources" in why(stacks, "CREATE_FAILED")
    assert maker.asked == []
