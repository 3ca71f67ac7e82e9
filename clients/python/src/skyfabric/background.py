"""An event loop in a thread of its own, for callers that have none."""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: How long a thread of the SDK's core may take to return from here.
_RETURN_S = 2.0
_PAUSE_S = 0.001

#: Loops that are about to end.
_LEFT: set[BackgroundLoop] = set()


def await_left() -> None:
    """Waits for the loops that are about to end, for a while."""
    for loop in list(_LEFT):
        loop._thread.join(2 * _RETURN_S)


class BackgroundLoop:
    """Runs coroutines for any number of threads, until it is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # It does not keep a program alive that ends without closing it.
        self._thread = threading.Thread(target=self._serve, name="skyfabric", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result. When waiting is interrupted (Ctrl-C), it is cancelled."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Ends the loop; what still runs on it is cancelled."""
        self.leave()
        self._thread.join()

    def leave(self) -> None:
        """The same without waiting: whoever drops what it belonged to may do so in any thread, also in the loop's own."""
        _LEFT.add(self)
        asyncio.run_coroutine_threadsafe(self._wind_up(), self._loop)

    async def _wind_up(self) -> None:
        await _cancel_others()
        self._loop.stop()

    def _serve(self) -> None:
        self._loop.run_forever()
        _await_deliveries(self._loop)
        self._loop.close()
        _LEFT.discard(self)


@atexit.register
def _await_deliveries(loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Waits until no other thread is within a call of the loop, or of any.

    The SDK's core hands over a result in a thread of its own, and we may have it before that thread has returned. One that is caught
    within Python when the interpreter ends takes the process down, or keeps it for ever.
    """
    until = time.monotonic() + _RETURN_S
    while time.monotonic() < until and any(_delivers_to(loop, ident) for ident in sys._current_frames()):
        time.sleep(_PAUSE_S)


def _delivers_to(loop: asyncio.AbstractEventLoop | None, ident: int) -> bool:
    frame = sys._current_frames().get(ident)
    while frame is not None:
        if frame.f_code.co_name == "call_soon_threadsafe" and loop in (None, frame.f_locals.get("self")):
            return True
        frame = frame.f_back
    return False


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
