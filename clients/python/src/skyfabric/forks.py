"""What a forked process must leave alone, and what it takes instead.

A fork has none of the threads of the SDK's core. What it inherits of that core refuses to work, and waits for those threads for ever,
or frees what was theirs, once it is taken down.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref

import temporalio.runtime
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig

from .background import BackgroundLoop

_making = threading.Lock()
_forked = False
#: A forked process's own. It stays to the end, as the SDK's default runtime does: taking one down waits for its threads.
_own: Runtime | None = None
#: What a forked process of this one leaves alone.
_watched: weakref.WeakSet[Client | BackgroundLoop] = weakref.WeakSet()


def own_runtime() -> Runtime | None:
    """What to connect with: in a forked process a runtime of its own, otherwise none, which is the SDK's default."""
    global _own  # noqa: PLW0603
    with _making:
        if _forked and _own is None:
            _own = Runtime(telemetry=TelemetryConfig())
            keep(_own)
        return _own


def watch(thing: Client | BackgroundLoop) -> None:
    """Has a forked process leave it alone. A loop that is closed there ends its parent's, too: they share what it waits by."""
    _watched.add(thing)


def keep(thing: object) -> None:
    """Never takes it down, not even when the interpreter ends: then also what a module holds goes."""
    increment = getattr(getattr(ctypes, "pythonapi", None), "Py_IncRef", None)
    if increment is not None:
        increment(ctypes.py_object(thing))


def _after_fork() -> None:
    """Somebody may have held the lock."""
    global _forked, _making, _own  # noqa: PLW0603
    _making = threading.Lock()
    _forked = True
    _own = None
    # Older versions of the SDK hold it in the module itself. ``Runtime.default`` would make one.
    default = getattr(getattr(temporalio.runtime, "_runtime_ref", temporalio.runtime), "_default_runtime", None)
    for inherited in (default, *_watched):
        keep(inherited)
    _watched.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
