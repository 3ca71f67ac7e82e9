"""Asks Temporal to cancel a run, once it is known to be one, and to go on still."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from .connection import RPC_TIMEOUT
from .contract import ID_PREFIX
from .errors import ConflictError, InvalidError

#: What takes back a run that is done: a method of the client.
_INVERSE: Mapping[str, str] = {"BootstrapFabric": "teardown", "ConnectServiceAcrossClusters": "disconnect", "EstablishLink": "unlink"}

_ENDED: Mapping[WorkflowExecutionStatus | None, str] = {
    WorkflowExecutionStatus.COMPLETED: "is done",
    WorkflowExecutionStatus.FAILED: "has failed",
    WorkflowExecutionStatus.CANCELED: "was cancelled",
    WorkflowExecutionStatus.TERMINATED: "was terminated",
    WorkflowExecutionStatus.TIMED_OUT: "has timed out",
}


async def cancel_run(client: Client, workflow_id: str, run_id: str | None) -> None:
    """Asks for the cancellation; a second time is as good as once.

    Raises ``ConflictError`` when the run has ended, and ``InvalidError`` for a workflow that nobody asked for as a run: the fabric's
    register, say, must go on. Raises what the SDK does when there is no such workflow or the server does not answer.
    """
    described = await client.get_workflow_handle(workflow_id, run_id=run_id).describe(rpc_timeout=RPC_TIMEOUT)
    if described.workflow_type not in ID_PREFIX:
        raise InvalidError(
            f"{described.id} is no run, but a workflow {described.workflow_type}",
            hint="Cancel runs only, by the ids that `Run.id` and `status` tell.",
            workflow_id=described.id,
            run_id=described.run_id,
        )
    if described.status != WorkflowExecutionStatus.RUNNING:
        raise _ended(described)
    # This very run, also when a later one of the same id begins meanwhile.
    handle = client.get_workflow_handle(workflow_id, run_id=described.run_id)
    try:
        await handle.cancel(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        # So Temporal calls a run that has just ended.
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        raise _ended(await handle.describe(rpc_timeout=RPC_TIMEOUT)) from error


def _ended(described: WorkflowExecutionDescription) -> ConflictError:
    inverse = _INVERSE.get(described.workflow_type) if described.status == WorkflowExecutionStatus.COMPLETED else None
    return ConflictError(
        f"{described.id} {_ENDED.get(described.status, 'has ended')} already, so there is nothing to cancel",
        hint=None if inverse is None else f"What it made is taken back with {inverse}.",
        workflow_id=described.id,
        run_id=described.run_id,
    )
