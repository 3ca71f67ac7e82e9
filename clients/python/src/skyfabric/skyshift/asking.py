"""Asks for runs on behalf of many threads and processes, and waits for a server or worker that is away for a while."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ..answers import Register
from ..errors import ConflictError, NotFoundError, SkyfabricError, StillRunningError, UnavailableError, UnreachableError
from ..prepared import R, Request
from ..sync import Client, Run
from .options import Options

T = TypeVar("T")

#: Nothing tells when a server or a worker is back.
PAUSE_S = 1.0

_opening = threading.Lock()
_opened: Client | None = None


def client() -> Client:
    """The process's one client; a forked process goes on with it."""
    global _opened  # noqa: PLW0603
    with _opening:
        if _opened is None:
            _opened = Client()
        return _opened


def _unlock() -> None:
    """Somebody may have held the lock when the process was forked."""
    global _opening  # noqa: PLW0603
    _opening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


def carry_out(request: Request[R], options: Options) -> R:
    """The result of a run that began after it was asked for.

    One of the same id that goes on already, for the same or otherwise, is let come to its end first: it may have passed what somebody
    has taken away meanwhile.
    """
    deadline = options.until()
    attaching = True
    while True:
        try:
            run = patiently(lambda: client().submit(request), options)
        except ConflictError as other:
            if other.workflow_id is None or other.run_id is None:
                raise
            _await_end(client().run(other.workflow_id, other.run_id), deadline, options)
            continue
        if not (run.attached and attaching):
            return _result_of(run, deadline, options)
        # Whoever starts the next one does so after this call was made.
        attaching = False
        _await_end(run, deadline, options)


def register_of(options: Options) -> Register | None:
    """The fabric as it stands; none when there is no such fabric."""
    try:
        return patiently(lambda: client().status(options.fabric), options)
    except NotFoundError:
        return None


def patiently(question: Callable[[], T], options: Options) -> T:
    """Asks again while nobody answers, for as long as the options allow."""
    until: float | None = None
    while True:
        try:
            return question()
        except (UnavailableError, UnreachableError) as error:
            # A run that was undone has ended: what it could not reach is its answer.
            if error.rollback is not None:
                raise
            now = time.monotonic()
            until = min(now + options.patience, options.until()) if until is None else until
            if now + PAUSE_S > until:
                raise
            time.sleep(PAUSE_S)


def _result_of(run: Run[R], deadline: float, options: Options) -> R:
    return patiently(lambda: run.result(max(0.0, deadline - time.monotonic())), options)


def _await_end(run: Run[Any], deadline: float, options: Options) -> None:
    try:
        _result_of(run, deadline, options)
    except StillRunningError:
        raise
    except SkyfabricError:
        return
