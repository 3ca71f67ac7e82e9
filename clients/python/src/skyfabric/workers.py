"""Tells whether anybody works on a task queue, so that a caller is told "no worker" instead of waiting for one."""

from __future__ import annotations

import asyncio
import time

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from .connection import RPC_TIMEOUT
from .errors import UnavailableError

#: A live worker asks for tasks at least once a minute, while the server remembers one that died for five minutes.
_ALIVE_S = 90
_REMEMBERED_S = 310
#: A worker that has just been started may need a moment to ask for its first task.
_LOOKS = 5
_PAUSE_S = 0.25


async def require_worker(client: Client, task_queue: str) -> None:
    """Raises ``UnavailableError``, with how to start a worker, when nobody has lately asked for workflow tasks."""
    for look in range(_LOOKS):
        if look > 0:
            await asyncio.sleep(_PAUSE_S)
        if await _has_worker(client, task_queue):
            return
    raise UnavailableError(
        f"no worker listens on task queue {task_queue} of namespace {client.namespace}, so nothing would happen",
        hint="Start one with `skyfabric worker` (or `skyfabric dev`, which brings a server too) and try again.",
    )


async def _has_worker(client: Client, task_queue: str) -> bool:
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        ),
        timeout=RPC_TIMEOUT,
    )
    return any(_may_live(time.time() - poller.last_access_time.seconds) for poller in described.pollers)


def _may_live(age_s: float) -> bool:
    """One that the server should have forgotten by now is told of by another clock than ours, which says nothing."""
    return age_s < _ALIVE_S or age_s > _REMEMBERED_S
