"""The sweep machine, whatever its functions say."""

from tests.integration.stack.conftest import Machines


def test_every_endpoint_is_swept_and_reported(machines: Machines) -> None:
    execution = machines.run("sweep", {"find_sweep_work": [{"dryRun": True}]})

    assert execution.status == "SUCCEEDED", execution.cause
    assert execution.output["report"] == {"sentence": "swept 1 endpoints"}
    (asked,) = execution.sent["find_sweep_work"]
    assert asked["input"]["endpoint"] == "chat"
    (swept,) = execution.sent["sweep_endpoint"]
    assert (swept["dryRun"], swept["graceSeconds"]) == (True, 604800)
    (reported,) = execution.sent["report_sweep"]
    assert [result["endpoint"] for result in reported["results"]] == [swept["endpoint"]]


def test_an_endpoint_that_still_moves_is_asked_again(machines: Machines) -> None:
    busy = {"raise": "EndpointBusyError", "message": "still Updating"}

    execution = machines.run("sweep", {"sweep_endpoint": [busy, busy, {}]})

    assert execution.status == "SUCCEEDED", execution.cause
    assert len(execution.sent["sweep_endpoint"]) == 3


def test_an_endpoint_that_cannot_be_swept_is_reported_with_its_sentence(machines: Machines) -> None:
    denied = {"raise": "AccessDeniedException", "message": "sweep-endpoint may not do it"}
    incomplete = {"raise": "SweepIncompleteError", "message": "1 of 1 endpoints were not swept"}

    execution = machines.run("sweep", {"sweep_endpoint": [denied], "report_sweep": [incomplete]})

    (reported,) = execution.sent["report_sweep"]
    assert [result["failed"] for result in reported["results"]] == ["sweep-endpoint may not do it"]
    assert (execution.status, execution.error) == ("FAILED", "SweepIncomplete")
    assert execution.cause == "1 of 1 endpoints were not swept"


def test_a_step_that_crashed_is_taken_again_because_sweeping_twice_is_sweeping_once(machines: Machines) -> None:
    crashed = {"raise": "Runtime.ExitError", "message": "Runtime exited with error: signal: killed"}
    functions = ("find_sweep_work", "sweep_endpoint", "report_sweep")

    execution = machines.run("sweep", {function: [crashed, {}] for function in functions})

    assert execution.status == "SUCCEEDED", execution.cause
    assert [len(execution.sent[function]) for function in functions] == [2, 2, 2]
