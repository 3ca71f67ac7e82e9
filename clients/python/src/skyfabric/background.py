"""An event loop in a thread of its own, for callers that have none."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: How long a thread of the SDK's core may take to return from here.
_RETURN_S = 2.0
_PAUSE_S = 0.001


class BackgroundLoop:
    """Runs coroutines for any number of threads, until it is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # It does not keep a program alive that ends without closing it.
        self._thread = threading.Thread(target=self._loop.run_forever, name="skyfabric", daemon=True)
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
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._await_callers()
        self._loop.close()

    def _await_callers(self) -> None:
        """Waits until no other thread is within a call of the loop.

        The SDK's core hands over a result in a thread of its own, and we may have it before that thread has returned. One that is caught
        within Python when the interpreter ends takes the process down, or keeps it for ever.
        """
        until = time.monotonic() + _RETURN_S
        while time.monotonic() < until and any(self._is_called_in(ident) for ident in sys._current_frames()):
            time.sleep(_PAUSE_S)

    def _is_called_in(self, ident: int) -> bool:
        frame = sys._current_frames().get(ident)
        while frame is not None:
            if frame.f_locals.get("self") is self._loop:
                return True
            frame = frame.f_back
        return False


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
