"""No execution is kept as running: nobody would run it after a restart."""

from types import SimpleNamespace

import pytest
from moto.stepfunctions.parser.api import ExecutionStatus

from local.state import moto_state
from local.world import ACCOUNT, REGION


@pytest.mark.parametrize("status", [ExecutionStatus.RUNNING, None], ids=["held by a call that hangs", "never begun"])
def test_what_still_runs_at_the_deadline_is_kept_as_aborted(
    monkeypatch: pytest.MonkeyPatch, status: ExecutionStatus | None
) -> None:
    stuck = SimpleNamespace(exec_status=status, stop_date=None)
    done = SimpleNamespace(exec_status=ExecutionStatus.SUCCEEDED, stop_date="then")
    machines = [SimpleNamespace(executions=[done, stuck])]
    backends = {ACCOUNT: {REGION: SimpleNamespace(state_machines=machines)}}
    monkeypatch.setattr(moto_state, "interpreters", backends)
    monkeypatch.setattr(moto_state, "_ABORT_S", 0.05)

    moto_state._end_executions()

    assert (stuck.exec_status, done.exec_status) == (ExecutionStatus.ABORTED, ExecutionStatus.SUCCEEDED)
    assert stuck.stop_date is not None
    assert done.stop_date == "then"
