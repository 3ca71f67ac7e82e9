"""A run that goes on in Temporal: started, found, waited for, looked at, cancelled."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, cast

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from .answers import RunFailure, RunStatus, StepStatus
from .cancelling import cancel_run
from .connection import RPC_TIMEOUT
from .contract import STATUS_QUERY
from .errors import (
    ConflictError,
    NotFoundError,
    RunCancelledError,
    RunTerminatedError,
    SkyfabricError,
    StillRunningError,
    UnavailableError,
    error_of_failure,
    with_rollback,
)
from .prepared import Prepared, R


class Run(Generic[R]):
    """One run. It goes on in Temporal, whatever becomes of this object."""

    def __init__(self, client: Client, handle: WorkflowHandle[Any, Any], attached: bool) -> None:
        self._client = client
        self._handle = handle
        #: Whether it was running already when it was asked for.
        self.attached = attached

    @property
    def id(self) -> str:
        """The workflow id, derived from the request."""
        return self._handle.id

    @property
    def run_id(self) -> str | None:
        """Temporal's id of this very run; none for whichever run of this id is the latest."""
        return self._handle.run_id

    async def result(self, timeout: float | None = None) -> R:
        """Waits for the end.

        A task that is cancelled while it waits here does not cancel the run. Raises ``StillRunningError`` after ``timeout`` seconds,
        ``RunCancelledError``, ``RunTerminatedError``, and a ``SkyfabricError`` of the failure's own code, which tells what was undone.
        """
        try:
            with told(self.id):
                return cast(R, await asyncio.wait_for(self._handle.result(), timeout))
        except asyncio.TimeoutError:
            raise StillRunningError(
                f"{self.id} has not ended within {timeout} s",
                hint="It goes on: wait for it again, or cancel it.",
                workflow_id=self.id,
                run_id=self.run_id,
            ) from None
        except WorkflowFailureError as error:
            raise await self._error_of(error) from error

    async def status(self) -> RunStatus:
        """Every step: its state, its attempts (also of those that still run), its last error.

        Raises ``NotFoundError``, and ``UnavailableError`` when no worker answers in time.
        """
        with told(self.id):
            status, described = await asyncio.gather(
                self._handle.query(STATUS_QUERY, rpc_timeout=RPC_TIMEOUT), self._handle.describe(rpc_timeout=RPC_TIMEOUT)
            )
            read = cast(RunStatus, status)
            read["steps"] = await self._with_attempts(read["steps"], described)
            return read

    async def cancel(self) -> None:
        """Asks for the run's cancellation: what it did is undone. Returns at once; ``result`` tells how it ended.

        A teardown only goes forward: it stops where it stands. Raises ``ConflictError`` when the run has ended, ``InvalidError`` for a
        workflow that is no run, ``NotFoundError``.
        """
        with told(self.id):
            await cancel_run(self._client, self.id, self.run_id)

    async def _with_attempts(self, steps: list[StepStatus], described: WorkflowExecutionDescription) -> list[StepStatus]:
        pending = {activity.activity_id: activity for activity in described.raw_description.pending_activities}
        return [
            await self._with_attempt(step, pending[step["id"]]) if step["state"] == "running" and step["id"] in pending else step
            for step in steps
        ]

    async def _with_attempt(self, step: StepStatus, activity: PendingActivityInfo) -> StepStatus:
        joined: StepStatus = {**step, "attempts": activity.attempt} if activity.attempt else {**step}
        if activity.HasField("last_failure"):
            failure = await self._client.data_converter.decode_failure(activity.last_failure)
            if str(failure):
                joined["lastError"] = {"code": "unavailable", "message": getattr(failure, "message", str(failure))}
        return joined

    async def _error_of(self, error: WorkflowFailureError) -> SkyfabricError:
        cause = error.cause
        if isinstance(cause, CancelledError):
            cancelled = RunCancelledError("the run was cancelled", workflow_id=self.id, run_id=self.run_id)
            last = await self._last_status()
            return with_rollback(cancelled, None if last is None else last.get("rollback"))
        if isinstance(cause, TerminatedError):
            return RunTerminatedError(
                f"the run was terminated: {cause}",
                hint="Nothing was undone: ask for the same again, or take down what it left.",
                workflow_id=self.id,
                run_id=self.run_id,
            )
        details = cause.details if isinstance(cause, ApplicationError) else ()
        if len(details) > 0 and isinstance(details[0], dict) and "problem" in details[0]:
            return error_of_failure(cast(RunFailure, details[0]), workflow_id=self.id, run_id=self.run_id)
        return SkyfabricError(str(cause), workflow_id=self.id, run_id=self.run_id)

    async def _last_status(self) -> RunStatus | None:
        """How it ended, as far as somebody tells."""
        try:
            return await self.status()
        except SkyfabricError:
            return None


async def start_run(client: Client, prepared: Prepared, task_queue: str) -> Run[Any]:
    """Starts a run, or finds the same request running already. Raises ``ConflictError`` when it goes on with another input."""
    memo = {"start": str(uuid.uuid4()), "request": prepared.digest}
    with told(prepared.workflow_id):
        started: WorkflowHandle[Any, Any] = await client.start_workflow(
            prepared.kind,
            prepared.request,
            id=prepared.workflow_id,
            task_queue=task_queue,
            memo=memo,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=prepared.summary,
            static_details=prepared.request.get("reason"),
            rpc_timeout=RPC_TIMEOUT,
        )
        # From here on the handle speaks of this very run, also after a later one of the same id.
        handle = client.get_workflow_handle(prepared.workflow_id, run_id=started.first_execution_run_id)
        found = await (await handle.describe(rpc_timeout=RPC_TIMEOUT)).memo()
    # One without a memo was started by another client; its id says that it is the same request.
    if found.get("request", memo["request"]) != memo["request"]:
        raise ConflictError(
            f"{prepared.workflow_id} is running already, with other options",
            hint="Wait for it or cancel it, then try again.",
            workflow_id=prepared.workflow_id,
            run_id=handle.run_id,
        )
    return Run(client, handle, attached=found.get("start") != memo["start"])


@contextmanager
def told(workflow_id: str) -> Iterator[None]:
    """Turns the SDK's errors into ours."""
    try:
        yield
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise NotFoundError(f"there is no run {workflow_id}", workflow_id=workflow_id) from error
        raise UnavailableError(
            f"Temporal did not answer for {workflow_id}: {error}",
            hint="Runs go on by themselves; see whether a worker runs, and try again in a moment.",
            workflow_id=workflow_id,
        ) from error
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        raise UnavailableError(f"{workflow_id} does not tell how it stands: {error}", workflow_id=workflow_id) from error
