"""The operate machine, whatever its function says."""

from tests.integration.stack.conftest import Machines


def test_what_was_done_is_the_execution_s_output(machines: Machines) -> None:
    execution = machines.run("operate")

    assert execution.status == "SUCCEEDED"
    assert execution.output["sentence"] == "endpoint chat serves"
    (sent,) = execution.sent["operate_endpoint"]
    assert sent["executionArn"].startswith("arn:aws:states:")


def test_what_cannot_be_done_is_refused_with_its_sentence(machines: Machines) -> None:
    sentence = "rollout 3f2a91c07d4e-1 is baking and cannot be paused"

    execution = machines.run("operate", {"operate_endpoint": [{"raise": "InvalidInputError", "message": sentence}]})

    assert (execution.status, execution.error, execution.cause) == ("FAILED", "OperationRefused", sentence)
    assert len(execution.sent["operate_endpoint"]) == 1


def test_what_is_asked_for_later_is_done_when_its_time_has_come(machines: Machines) -> None:
    execution = machines.run("operate", verb="wake", at="2020-01-01T00:00:00Z")

    assert execution.states == ["Asked for later?", "Wait until then", "Operate endpoint", "Done"]
    (sent,) = execution.sent["operate_endpoint"]
    assert sent["input"]["at"] == "2020-01-01T00:00:00Z"
