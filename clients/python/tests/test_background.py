"""Loops in threads of their own end with what they belong to."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

import skyfabric.sync
from skyfabric.background import BackgroundLoop, await_left


class _Temporal:
    """A connection that is not used."""


async def _connected(*_given: object, **_named: object) -> Any:
    return _Temporal()


def _threads() -> int:
    return sum(thread.name == "skyfabric" for thread in threading.enumerate())


def test_a_client_that_is_dropped_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skyfabric.sync.connect_temporal", _connected)
    before = _threads()
    clients = [skyfabric.sync.Client() for _ in range(3)]
    assert _threads() == before + 3
    clients.clear()
    gc.collect()
    await_left()
    assert _threads() == before


def test_a_client_that_was_closed_is_dropped_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skyfabric.sync.connect_temporal", _connected)
    before = _threads()
    client = skyfabric.sync.Client()
    client.close()
    del client
    gc.collect()
    assert _threads() == before


def test_a_loop_that_is_left_from_its_own_thread_cancels_what_it_runs_and_ends() -> None:
    loop = BackgroundLoop()
    ended: list[str] = []

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def leaving() -> asyncio.Task[None]:
        task = asyncio.ensure_future(waiting())
        await asyncio.sleep(0)
        loop.leave()
        return task

    loop.run(leaving())
    await_left()
    assert ended == ["cancelled"]
    assert not loop._thread.is_alive()
