"""The asynchronous client."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, cast

from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowExecutionStatus

from . import forks, requests
from .answers import OwedCleanup, Register, RunStatus
from .connection import RPC_TIMEOUT, connect_temporal
from .contract import GUARD_ID, OWED_QUERY, REGISTER_QUERY, SETTLE_ID, TASK_QUEUE
from .errors import InvalidError, NotFoundError
from .prepared import R, Request, prepare
from .reading import fabric_problems
from .run import Run, start_run, told
from .texts import require_texts
from .workers import require_worker

P = ParamSpec("P")


class Call(Generic[P, R]):
    """A method that starts a run: called, it waits for the result; ``start`` returns as soon as the run is under way."""

    def __init__(self, client: Client, build: Callable[P, Request[R]]) -> None:
        functools.update_wrapper(self, build)
        self._client = client
        self._build = build

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Waits for the result."""
        return await (await self.start(*args, **kwargs)).result()

    async def start(self, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """Starts the run, or finds the same request running already."""
        return await self._client.submit(self._build(*args, **kwargs))


class Client:
    """Asks Skyfabric's workers, through Temporal, for runs, and reads how they stand.

    ``await client.link("west", "east")`` waits for the result; ``await client.link.start("west", "east")`` returns a ``Run``. The same
    request twice finds the running run, whichever client or language started it. Every method raises ``SkyfabricError``.
    """

    def __init__(self, temporal: TemporalClient, *, task_queue: str | None = None) -> None:
        """Uses a client of Temporal's that is connected already; ``Client.open`` connects one."""
        self.temporal = temporal
        forks.watch(temporal)
        self._process = os.getpid()
        self.task_queue = chosen_task_queue(task_queue)
        self.bootstrap = Call(self, requests.bootstrap)
        self.connect = Call(self, requests.connect)
        self.disconnect = Call(self, requests.disconnect)
        self.link = Call(self, requests.link)
        self.unlink = Call(self, requests.unlink)
        self.teardown = Call(self, requests.teardown)
        self.verify = Call(self, requests.verify)
        self.check = Call(self, requests.check)
        self.cleanup = Call(self, requests.cleanup)

    @classmethod
    async def open(
        cls,
        *,
        address: str | None = None,
        namespace: str | None = None,
        profile: str | None = None,
        codec_keys: str | None = None,
        task_queue: str | None = None,
    ) -> Client:
        """Connects; what is left out comes from Temporal's environment and configuration file (see ``connect_temporal``).

        The task queue is that of ``SKYFABRIC_TASK_QUEUE``, else ``skyfabric``.
        """
        queue = chosen_task_queue(task_queue)
        temporal = await connect_temporal(address=address, namespace=namespace, profile=profile, codec_keys=codec_keys)
        return cls(temporal, task_queue=queue)

    async def submit(self, request: Request[R]) -> Run[R]:
        """Starts a run, or finds the same request running already.

        Raises ``InvalidError`` before anything is sent, ``UnavailableError`` when no worker listens, ``ConflictError`` when a run of
        that id goes on with another input.
        """
        self._require_own_process()
        if not isinstance(request, Request):
            raise InvalidError(f"what is submitted must be a Request, not {type(request).__name__}")
        prepared = prepare(request.kind, request.fields)
        with told(prepared.workflow_id):
            await require_worker(self.temporal, self.task_queue)
        return await start_run(self.temporal, prepared, self.task_queue)

    def run(self, workflow_id: str, run_id: str | None = None) -> Run[Any]:
        """A run that somebody started; whether there is one shows when it is asked something. Raises ``InvalidError`` for no text."""
        self._require_own_process()
        require_texts(workflow_id=workflow_id, **({"run_id": run_id} if run_id else {}))
        return Run(self.temporal, self.temporal.get_workflow_handle(workflow_id, run_id=run_id), attached=True)

    async def describe(self, workflow_id: str) -> RunStatus:
        """Every step of a run."""
        return await self.run(workflow_id).status()

    async def cancel(self, workflow_id: str) -> None:
        """Asks for the cancellation of a run: what it did is undone; see ``Run.cancel``."""
        await self.run(workflow_id).cancel()

    async def status(self, fabric: str = requests.FABRIC) -> Register:
        """The fabric as it stands: peers, links, connections, latest runs. Raises ``NotFoundError`` when there is no such fabric."""
        _require_fabric(fabric)
        register = cast("Register | None", await self._keeper(GUARD_ID.format(fabric=fabric), REGISTER_QUERY))
        # Without peers, its first bootstrap is at work, or its last teardown still is.
        if register is None or not register["peers"]:
            raise NotFoundError(
                f"there is no fabric {fabric} in namespace {self.temporal.namespace}",
                hint="Make one with bootstrap, or name another.",
            )
        return register

    async def owed(self, fabric: str = requests.FABRIC) -> list[OwedCleanup]:
        """What could not be undone in time and is tried again until it succeeds; empty when nothing is."""
        _require_fabric(fabric)
        return cast("list[OwedCleanup]", await self._keeper(SETTLE_ID.format(fabric=fabric), OWED_QUERY) or [])

    async def _keeper(self, workflow_id: str, query: str) -> object:
        """What a workflow that keeps something answers; none when it does not run: a closed one would still answer."""
        self._require_own_process()
        handle = self.temporal.get_workflow_handle(workflow_id)
        try:
            with told(workflow_id, is_query=True):
                await require_worker(self.temporal, self.task_queue)
                if (await handle.describe(rpc_timeout=RPC_TIMEOUT)).status != WorkflowExecutionStatus.RUNNING:
                    return None
                return cast(object, await handle.query(query, rpc_timeout=RPC_TIMEOUT))
        except NotFoundError:
            return None

    def _require_own_process(self) -> None:
        """The SDK's core says no more than that it cannot cross a fork."""
        if os.getpid() != self._process:
            raise InvalidError("this client is that of the process which was forked", hint="Open another one.")


def chosen_task_queue(given: str | None) -> str:
    """The one given, else that of the environment. Raises ``InvalidError`` for what is no text."""
    chosen = given or os.environ.get("SKYFABRIC_TASK_QUEUE") or TASK_QUEUE
    require_texts(task_queue=chosen)
    return chosen


def _require_fabric(fabric: object) -> None:
    problems = fabric_problems(fabric)
    if problems:
        raise InvalidError("; ".join(problems), hint="Name the fabric as it was named in its bootstrap.", problems=problems)
