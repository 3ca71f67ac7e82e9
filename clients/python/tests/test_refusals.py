"""What the server and the client itself refuse, and which of it may succeed later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.service import RPCError, RPCStatusCode

import skyfabric
from skyfabric import Request
from skyfabric.connection import connect_temporal
from skyfabric.run import Run, told
from skyfabric.workers import require_worker


def _refused(status: RPCStatusCode, message: str, *, is_query: bool = False) -> skyfabric.SkyfabricError:
    with pytest.raises(skyfabric.SkyfabricError) as caught, told("link/f/a/b", is_query=is_query):
        raise RPCError(message, status, b"")
    return caught.value


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (RPCStatusCode.INVALID_ARGUMENT, "WorkflowId exceeds maximum allowed length", skyfabric.InvalidError),
        (RPCStatusCode.OUT_OF_RANGE, "decoded message length too large", skyfabric.InvalidError),
        (RPCStatusCode.FAILED_PRECONDITION, "namespace is being deleted", skyfabric.InvalidError),
        (RPCStatusCode.RESOURCE_EXHAUSTED, "grpc: received message larger than max (6 vs. 4)", skyfabric.InvalidError),
        (RPCStatusCode.PERMISSION_DENIED, "Request unauthorized.", skyfabric.ForbiddenError),
        (RPCStatusCode.UNAUTHENTICATED, "no token", skyfabric.ForbiddenError),
    ],
)
def test_what_is_refused_is_not_tried_again(status: RPCStatusCode, message: str, kind: type[skyfabric.SkyfabricError]) -> None:
    error = _refused(status, message)
    assert type(error) is kind
    assert not error.retryable
    assert message in error.message


def test_what_may_succeed_later_is_unavailable() -> None:
    assert _refused(RPCStatusCode.RESOURCE_EXHAUSTED, "namespace rate limit exceeded").retryable
    assert _refused(RPCStatusCode.UNAVAILABLE, "connection refused").retryable
    assert _refused(
        RPCStatusCode.FAILED_PRECONDITION, "no poller seen for task queue recently, worker may be down", is_query=True
    ).retryable


class _Temporal:
    """A client of Temporal's that must not be asked anything, unless a test says what is answered."""

    namespace = "default"

    def __init__(self, *pollers_ages: float) -> None:
        self.workflow_service = SimpleNamespace(describe_task_queue=self._described)
        self._seen = [SimpleNamespace(last_access_time=SimpleNamespace(seconds=int(time.time() - age))) for age in pollers_ages]

    async def _described(self, *_given: object, **_named: object) -> object:
        return SimpleNamespace(pollers=self._seen)

    def get_workflow_handle(self, workflow_id: str, run_id: str | None = None) -> object:
        """Speaks of any run; asks for nothing."""
        return SimpleNamespace(id=workflow_id, run_id=run_id)


def _client() -> skyfabric.Client:
    return skyfabric.Client(cast(Any, _Temporal()))


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.run("link/f/a/b").result("3"),
        lambda client: client.run("link/f/a/b").result(float("nan")),
        lambda client: client.run("link/f/a/b").result(True),
        lambda client: client.submit(None),
        lambda client: client.submit(Request(cast(Any, "Nope"), {})),
        lambda client: client.submit(Request(cast(Any, []), {})),
        lambda client: client.submit(Request("EstablishLink", cast(Any, None))),
        lambda client: client.describe(3),
        lambda client: client.describe(None),
        lambda client: client.describe("link/\ud800"),
        lambda client: client.cancel([]),
        lambda client: client.status("\ud800"),
        lambda client: client.status("No Fabric"),
        lambda client: client.owed(None),
        lambda _: connect_temporal(address=cast(Any, 3)),
        lambda _: connect_temporal(namespace="\ud800"),
        lambda _: connect_temporal(codec_keys="/a\0b"),
        lambda _: skyfabric.Client.open(task_queue="a\udcff"),
    ],
)
def test_arguments_of_another_type_are_refused_before_anything_is_sent(ask: Callable[[Any], Any]) -> None:
    async def refused() -> None:
        with pytest.raises(skyfabric.InvalidError):
            await ask(_client())

    asyncio.run(refused())


def test_a_task_queue_that_cannot_be_sent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYFABRIC_TASK_QUEUE", "a\udcff")
    with pytest.raises(skyfabric.InvalidError, match="task_queue: must be text"):
        _client()


@pytest.mark.parametrize("timeout", [10**400, 1e300, float("inf")])
def test_what_is_longer_than_any_run_is_no_bound(timeout: float) -> None:
    async def outcome() -> str:
        return "done"

    run: Run[str] = Run(cast(Any, _Temporal()), cast(Any, SimpleNamespace(id="w", run_id="r", result=outcome)), attached=False)
    assert asyncio.run(run.result(timeout)) == "done"


@pytest.mark.parametrize(
    ("ages", "listens"), [((30,), True), ((120,), False), ((120, 30), True), ((), False), ((3600,), True), ((-3600,), True)]
)
def test_a_clock_that_is_wrong_does_not_make_workers_vanish(
    monkeypatch: pytest.MonkeyPatch, ages: tuple[float, ...], listens: bool
) -> None:
    monkeypatch.setattr("skyfabric.workers._PAUSE_S", 0.0)
    asking = require_worker(cast(Any, _Temporal(*ages)), "queue")
    if listens:
        asyncio.run(asking)
    else:
        with pytest.raises(skyfabric.UnavailableError, match="no worker listens"):
            asyncio.run(asking)
