"""A run that goes on in Temporal: started, found, waited for, looked at, cancelled."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, cast

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from .answers import RunStatus, StepStatus
from .cancelling import cancel_run
from .connection import RPC_TIMEOUT
from .contract import STATUS_QUERY
from .errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    RunCancelledError,
    RunTerminatedError,
    SkyfabricError,
    StillRunningError,
    UnavailableError,
    error_of_failure,
    is_failure,
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
        seconds = _seconds(timeout)
        try:
            return await asyncio.wait_for(self._outcome(), seconds)
        except asyncio.TimeoutError:
            raise StillRunningError(
                f"{self.id} has not ended within {timeout} s",
                hint="It goes on: wait for it again, or cancel it.",
                workflow_id=self.id,
                run_id=self.run_id,
            ) from None

    async def _outcome(self) -> R:
        handle = self._handle
        while True:
            try:
                with told(self.id):
                    return cast(R, await handle.result())
            except WorkflowFailureError as error:
                # Temporal calls a run that was reset terminated, and another run goes on with what it did.
                reset = await self._reset_run(handle) if isinstance(error.cause, TerminatedError) else None
                if reset is None:
                    raise await self._error_of(error) from error
                handle = reset

    async def _reset_run(self, ended: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any] | None:
        """The run that goes on with one that was terminated, if there is one."""
        try:
            described = await ended.describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError:
            return None
        # Of an id alone, Temporal describes the latest run: one that is running is not the one that was terminated.
        is_later = described.status == WorkflowExecutionStatus.RUNNING
        run_id = described.run_id if is_later else described.raw_description.workflow_extended_info.reset_run_id
        return self._client.get_workflow_handle(self.id, run_id=run_id) if run_id else None

    async def status(self) -> RunStatus:
        """Every step: its state, its attempts (also of those that still run), its last error.

        Raises ``NotFoundError``, and ``UnavailableError`` when no worker answers in time.
        """
        with told(self.id, is_query=True):
            status, described = await asyncio.gather(
                self._handle.query(STATUS_QUERY, rpc_timeout=RPC_TIMEOUT), self._handle.describe(rpc_timeout=RPC_TIMEOUT)
            )
            if not isinstance(status, dict) or not isinstance(status.get("steps"), list):
                raise UnavailableError(f"{self.id} tells how it stands in a way that is not known here", workflow_id=self.id)
            read = cast(RunStatus, status)
            read["steps"] = await self._with_attempts(read["steps"], described)
            if described.status in (WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.TIMED_OUT):
                read["phase"] = "terminated"  # It could not say so itself.
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
        if len(details) > 0 and is_failure(details[0]):
            return error_of_failure(details[0], workflow_id=self.id, run_id=self.run_id)
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


#: What the server would refuse again. Of a query, FAILED_PRECONDITION says that no worker polls, or that its run cannot answer yet.
_REFUSED = frozenset({RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.OUT_OF_RANGE})
_FORBIDDEN = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED})


@contextmanager
def told(workflow_id: str, *, is_query: bool = False) -> Iterator[None]:
    """Turns the SDK's errors into ours."""
    try:
        yield
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise NotFoundError(f"there is no run {workflow_id}", workflow_id=workflow_id) from error
        if error.status in _FORBIDDEN:
            raise ForbiddenError(
                f"Temporal refuses access to {workflow_id}: {error}",
                hint="Check the API key or client certificate of the Temporal profile, and what it may do in the namespace.",
                workflow_id=workflow_id,
            ) from error
        if _is_refused(error, is_query=is_query):
            raise InvalidError(f"Temporal refuses what was asked of {workflow_id}: {error}", workflow_id=workflow_id) from error
        raise UnavailableError(
            f"Temporal did not answer for {workflow_id}: {error}",
            hint="Runs go on by themselves; see whether a worker runs, and try again in a moment.",
            workflow_id=workflow_id,
        ) from error
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        raise UnavailableError(f"{workflow_id} does not tell how it stands: {error}", workflow_id=workflow_id) from error


def _is_refused(error: RPCError, *, is_query: bool) -> bool:
    if error.status == RPCStatusCode.FAILED_PRECONDITION:
        return not is_query
    # So the server, or what is before it, calls a request that is too large.
    is_oversize = error.status == RPCStatusCode.RESOURCE_EXHAUSTED and "larger than max" in str(error)
    return is_oversize or error.status in _REFUSED


#: Longer than any run; what is beyond cannot be waited for by a clock.
_LONGEST_S = 1e9


def _seconds(timeout: object) -> float | None:
    """How long to wait; none is for ever. Raises ``InvalidError`` for what is no number."""
    if timeout is None:
        return None
    if not isinstance(timeout, bool) and isinstance(timeout, (int, float)):
        if timeout > _LONGEST_S:
            return None
        if not math.isnan(timeout):
            return float(timeout)
    raise InvalidError(f"timeout: must be a number of seconds, not {timeout!r:.80}")
