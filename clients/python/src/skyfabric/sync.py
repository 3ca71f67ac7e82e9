"""The client for programs without an event loop; the same methods, and they wait.

Several threads may share one client. A process that was forked connects anew when it first asks for something.
"""

from __future__ import annotations

import atexit
import functools
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar, cast

from . import client as asynchronous
from . import forks, requests
from . import run as asynchronous_run
from .answers import OwedCleanup, Register, RunStatus
from .background import BackgroundLoop, await_left
from .connection import connect_temporal
from .errors import SkyfabricError
from .prepared import R, Request

P = ParamSpec("P")
T = TypeVar("T")


class Run(Generic[R]):
    """One run; see ``skyfabric.Run``. It goes on in Temporal, whatever becomes of this object."""

    def __init__(self, client: Client, run: asynchronous_run.Run[R]) -> None:
        self._client = client
        #: The workflow id, derived from the request.
        self.id = run.id
        #: Temporal's id of this very run; none for whichever run of this id is the latest.
        self.run_id = run.run_id
        #: Whether it was running already when it was asked for.
        self.attached = run.attached

    def result(self, timeout: float | None = None) -> R:
        """Waits for the end; ``StillRunningError`` after ``timeout`` seconds. Interrupted waiting does not cancel the run."""
        return cast(R, self._client._ask(lambda client: client.run(self.id, self.run_id).result(timeout)))

    def status(self) -> RunStatus:
        """Every step: its state, its attempts, its last error."""
        return self._client._ask(lambda client: client.run(self.id, self.run_id).status())

    def cancel(self) -> None:
        """Asks for the run's cancellation: what it did is undone; see ``skyfabric.Run.cancel``."""
        self._client._ask(lambda client: client.run(self.id, self.run_id).cancel())


class Call(Generic[P, R]):
    """A method that starts a run: called, it waits for the result; ``start`` returns as soon as the run is under way."""

    def __init__(self, client: Client, build: Callable[P, Request[R]]) -> None:
        functools.update_wrapper(self, build)
        self._client = client
        self._build = build

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Waits for the result."""
        return self.start(*args, **kwargs).result()

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Run[R]:
        """Starts the run, or finds the same request running already."""
        return self._client.submit(self._build(*args, **kwargs))


class Client:
    """``skyfabric.Client`` for programs without an event loop; also a context manager, which closes it.

    ``client.link("west", "east")`` waits for the result; ``client.link.start("west", "east")`` returns a ``Run``.
    """

    def __init__(
        self,
        *,
        address: str | None = None,
        namespace: str | None = None,
        profile: str | None = None,
        codec_keys: str | None = None,
        task_queue: str | None = None,
    ) -> None:
        """Connects, as ``skyfabric.Client.open`` does."""
        self._target = {"address": address, "namespace": namespace, "profile": profile, "codec_keys": codec_keys}
        self._task_queue = task_queue
        self._closed = False
        self._opening = threading.Lock()
        self._opened: _Opened | None = None
        self._ask(_nothing)
        _CLIENTS.add(self)
        self.bootstrap = Call(self, requests.bootstrap)
        self.connect = Call(self, requests.connect)
        self.disconnect = Call(self, requests.disconnect)
        self.link = Call(self, requests.link)
        self.unlink = Call(self, requests.unlink)
        self.teardown = Call(self, requests.teardown)
        self.verify = Call(self, requests.verify)
        self.check = Call(self, requests.check)
        self.cleanup = Call(self, requests.cleanup)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; runs go on. A closed client cannot be used again."""
        with self._opening:
            self._closed = True
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.forget_owner()
            opened.loop.close()

    def submit(self, request: Request[R]) -> Run[R]:
        """Starts a run, or finds the same request running already."""
        return Run(self, self._ask(lambda client: client.submit(request)))

    def run(self, workflow_id: str, run_id: str | None = None) -> Run[Any]:
        """A run that somebody started; whether there is one shows when it is asked something."""

        async def found(client: asynchronous.Client) -> asynchronous_run.Run[Any]:
            return client.run(workflow_id, run_id)

        return Run(self, self._ask(found))

    def describe(self, workflow_id: str) -> RunStatus:
        """Every step of a run."""
        return self._ask(lambda client: client.describe(workflow_id))

    def cancel(self, workflow_id: str) -> None:
        """Asks for the cancellation of a run: what it did is undone; see ``skyfabric.Run.cancel``."""
        self._ask(lambda client: client.cancel(workflow_id))

    def status(self, fabric: str = requests.FABRIC) -> Register:
        """The fabric as it stands: peers, links, connections, latest runs."""
        return self._ask(lambda client: client.status(fabric))

    def owed(self, fabric: str = requests.FABRIC) -> list[OwedCleanup]:
        """What could not be undone in time and is tried again until it succeeds."""
        return self._ask(lambda client: client.owed(fabric))

    def _ask(self, question: Callable[[asynchronous.Client], Coroutine[Any, Any, T]]) -> T:
        with self._opening:
            if self._closed:
                raise SkyfabricError("this client is closed", code="invalid", hint="Make another one.")
            if self._opened is None:
                self._opened = _Opened(self._target, self._task_queue)
                # Without it, a client that is dropped and not closed would leave a thread.
                self._opened.dropped = weakref.finalize(self, self._opened.loop.leave)
                self._opened.dropped.atexit = False
            opened = self._opened
        try:
            return opened.loop.run(question(opened.client))
        except CancelledError:
            raise SkyfabricError("this client was closed meanwhile", code="unavailable", hint="Runs go on by themselves.") from None

    def _after_fork(self) -> None:
        """A fork has neither its parent's threads nor those of the SDK's core, and somebody may have held the lock."""
        self._opening = threading.Lock()
        if self._opened is not None:
            self._opened.forget_owner()
        self._opened = None


_CLIENTS: weakref.WeakSet[Client] = weakref.WeakSet()


def _forget_connections() -> None:
    for client in list(_CLIENTS):
        client._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)


@atexit.register
def _close_all() -> None:
    """The SDK's core has threads of its own: one that reports to an interpreter which is gone takes the whole process down."""
    for client in list(_CLIENTS):
        client.close()
    await_left()


async def _nothing(_client: asynchronous.Client) -> None:
    """Only connects."""


class _Opened:
    """A connection, and the loop that it lives on."""

    #: What ends the loop when the client is dropped.
    dropped: weakref.finalize[..., Client] | None = None

    def __init__(self, target: dict[str, str | None], task_queue: str | None) -> None:
        self.loop = BackgroundLoop()
        forks.watch(self.loop)
        try:
            self.client = asynchronous.Client(self.loop.run(connect_temporal(**target)), task_queue=task_queue)
        except BaseException:
            self.loop.close()
            raise

    def forget_owner(self) -> None:
        """Lets the client be dropped, and does nothing."""
        if self.dropped is not None:
            self.dropped.detach()
