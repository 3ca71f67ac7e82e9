"""Forked processes: they connect whatever their parent did, and end. Each story is told in a process of its own, which has a bound."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")

_BOUND_S = 60

#: Nobody listens there: what is raised tells how far it came.
_BEGIN = """
import asyncio, os, sys
import skyfabric, skyfabric.sync

NOWHERE = "127.0.0.1:1"

def attempt():
    try:
        skyfabric.sync.Client(address=NOWHERE)
    except skyfabric.UnreachableError:
        return
    sys.exit("connected to nobody")

def attempt_async():
    try:
        asyncio.run(skyfabric.Client.open(address=NOWHERE))
    except skyfabric.UnreachableError:
        return
    sys.exit("connected to nobody")

def forked(story):
    child = os.fork()
    if child == 0:
        story()
        sys.exit(7)  # An end in good order, which takes everything down.
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""

_STORIES = {
    "the parent's client could not connect": "attempt(); forked(attempt)",
    "the parent's asynchronous client could not connect": "attempt_async(); forked(attempt_async)",
    "the parent has used the SDK, and the child does nothing": "attempt(); forked(lambda: None)",
    "the parent has used nothing": "forked(attempt)",
    "a child of a child": "attempt(); forked(lambda: (attempt(), forked(attempt)))",
    "one runtime is made for both clients": (
        "attempt(); forked(lambda: (attempt(), attempt_async(), "
        "sys.exit(7 if skyfabric.forks.own_runtime() is skyfabric.forks.own_runtime() is not None else 1)))"
    ),
    "an asynchronous client stays its parent's": """
class Temporal:
    namespace = "default"
client = skyfabric.Client(Temporal())
def refused():
    for ask in (client.status, client.owed, lambda: client.describe("w"), lambda: client.verify.start()):
        try:
            asyncio.run(ask())
        except skyfabric.InvalidError as error:
            assert error.hint == "Open another one."
            continue
        sys.exit("asked")
forked(refused)
""",
    "a loop of the parent's goes on after the child has ended": """
from skyfabric.background import BackgroundLoop
from skyfabric import forks
loop = BackgroundLoop()
forks.watch(loop)
async def answer(): return 3
assert loop.run(answer()) == 3
forked(lambda: globals().pop("loop"))
assert loop.run(answer()) == 3
loop.close()
""",
}


def _tell(story: str) -> None:
    # From 3.12 on, Python warns of every fork of a process that has threads.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _BEGIN + story]
    told = subprocess.run(command, timeout=_BOUND_S, check=False, capture_output=True, text=True)  # noqa: S603
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("story", _STORIES.values(), ids=_STORIES.keys())
def test_a_forked_process_connects_anew_and_ends(story: str) -> None:
    _tell(story)


_MULTIPROCESSING = """
import multiprocessing
attempt()
child = multiprocessing.get_context("fork").Process(target=attempt)
child.start()
child.join()
assert child.exitcode == 0
"""


def test_a_skylet_connects_whose_parent_could_not() -> None:
    _tell(_MULTIPROCESSING)
