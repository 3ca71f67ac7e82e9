"""How a run ends, as its client tells."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

import skyfabric
from skyfabric.run import Run

ID = "link/f/a/b"


class _Handle:
    """Of a run that has ended, and of which Temporal tells something."""

    def __init__(self, run_id: str | None, end: Any, described: Any = None) -> None:
        self.id = ID
        self.run_id = run_id
        self._end = end
        self._described = described

    async def result(self) -> Any:
        """Its answer, or its failure."""
        if isinstance(self._end, BaseException):
            raise WorkflowFailureError(cause=self._end)
        return self._end

    async def describe(self, **_given: object) -> Any:
        """What Temporal tells."""
        if isinstance(self._described, BaseException):
            raise self._described
        return self._described


def _described(run_id: str, status: WorkflowExecutionStatus, *, reset: str = "") -> Any:
    extended = SimpleNamespace(reset_run_id=reset)
    return SimpleNamespace(run_id=run_id, status=status, raw_description=SimpleNamespace(workflow_extended_info=extended))


def _result(first: _Handle, *others: _Handle) -> Any:
    known = {handle.run_id: handle for handle in others}
    client = SimpleNamespace(get_workflow_handle=lambda _, run_id: known[run_id])
    run: Run[Any] = Run(cast(Any, client), cast(Any, first), attached=False)
    return asyncio.run(run.result(timeout=10))


def _terminated() -> TerminatedError:
    return TerminatedError("by somebody")


def test_a_run_that_was_reset_goes_on_as_another() -> None:
    first = _Handle("r1", _terminated(), _described("r1", WorkflowExecutionStatus.TERMINATED, reset="r2"))
    second = _Handle("r2", _terminated(), _described("r2", WorkflowExecutionStatus.TERMINATED, reset="r3"))
    assert _result(first, second, _Handle("r3", {"changed": True})) == {"changed": True}


def test_whichever_run_is_the_latest_goes_on_as_the_one_that_runs() -> None:
    first = _Handle(None, _terminated(), _described("r2", WorkflowExecutionStatus.RUNNING))
    assert _result(first, _Handle("r2", {"changed": True})) == {"changed": True}


@pytest.mark.parametrize(
    "described", [_described("r1", WorkflowExecutionStatus.TERMINATED), RPCError("away", RPCStatusCode.UNAVAILABLE, b"")]
)
def test_a_run_that_was_terminated_says_so(described: Any) -> None:
    with pytest.raises(skyfabric.RunTerminatedError, match="by somebody"):
        _result(_Handle("r1", _terminated(), described))


@pytest.mark.parametrize("details", [(), ("text",), ({"problem": "text"},), ({"problem": {"code": "conflict"}, "rollback": {}},)])
def test_a_failure_of_another_shape_is_told_by_its_text(details: tuple[object, ...]) -> None:
    with pytest.raises(skyfabric.SkyfabricError, match="boom") as caught:
        _result(_Handle("r1", ApplicationError("boom", *details)))
    assert (type(caught.value), caught.value.workflow_id) == (skyfabric.SkyfabricError, ID)
