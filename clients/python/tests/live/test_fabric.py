"""A whole fabric, from its first gateway to its last, by both clients."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from answer_shape import problems_of

import skyfabric
import skyfabric.sync
from skyfabric import Request
from skyfabric.answers import BootstrapResult
from skyfabric.inputs import Deadlines, Peer

QUICK: Deadlines = {"step": "20s", "undo": "20s"}


def test_a_fabric_is_made_used_and_taken_down(given: dict[str, Any]) -> None:
    fabric = given["fabric"]

    async def story() -> None:
        client = await skyfabric.Client.open()
        checked = await client.check(given["bootstrap"]["peers"], fabric=fabric)
        assert checked["ok"]
        assert problems_of("CheckResult", checked) == []

        run = await client.submit(Request[BootstrapResult]("BootstrapFabric", given["bootstrap"]))
        assert not run.attached
        mesh = await run.result()
        assert problems_of("BootstrapResult", mesh) == []
        described = await run.status()
        assert problems_of("RunStatus", described) == []
        assert described["phase"] == "done"
        again = await client.bootstrap(
            given["bootstrap"]["peers"],
            fabric=fabric,
            links={"kind": "hub-and-spoke", "hub": "east"},
            certificates={"authorityKeyBits": 2048},
            deadlines=QUICK,
            reason="a second run changes nothing",
        )
        assert not again["changed"]
        linked = await client.link("south", "west", fabric=fabric, deadlines=QUICK)
        assert linked["link"] == {"a": "south", "b": "west"}
        assert problems_of("LinkResult", linked) == []

        connected = await client.connect(
            "echo", namespace="demo", port=8080, from_=["west", "south"], to=["east"], fabric=fabric, deadlines=QUICK
        )
        assert [proof["verified"] for proof in connected["imports"]] == ["probe"]
        assert problems_of("ConnectResult", connected) == []
        verified = await client.verify(connections=["demo/echo"], fabric=fabric, deadlines=QUICK)
        assert problems_of("VerifyResult", verified) == []
        assert all(proof["ok"] for proof in [*verified["links"], *verified["connections"]])

        with pytest.raises(skyfabric.InUseError) as caught:
            await client.unlink("east", "west", fabric=fabric, deadlines=QUICK)
        assert "echo" in caught.value.message
        assert caught.value.workflow_id == f"unlink/{fabric}/east/west"
        assert not caught.value.retryable

        register = await client.status(fabric)
        assert problems_of("Register", register) == []
        assert [peer["name"] for peer in register["peers"]] == ["east", "south", "west"]
        assert len(register["links"]) == 3
        assert register["connections"][0]["imports"] == {"east": ["west", "south"]}
        assert await client.owed(fabric) == []
        assert problems_of("CleanupResult", await client.cleanup(fabric=fabric, deadlines=QUICK)) == []

        narrowed = await client.disconnect("echo", namespace="demo", from_=["west"], fabric=fabric, deadlines=QUICK)
        assert len(narrowed["narrowed"]) == 1
        assert problems_of("DisconnectResult", narrowed) == []
        await client.disconnect("echo", namespace="demo", fabric=fabric, deadlines=QUICK)
        await client.unlink("south", "west", fabric=fabric, deadlines=QUICK)

    asyncio.run(story())


def test_threads_share_a_client_and_the_same_request_is_one_run(given: dict[str, Any]) -> None:
    fabric = given["fabric"]
    with skyfabric.sync.Client() as client, ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda _: client.verify.start(peers=["south"], fabric=fabric, deadlines=QUICK), range(4)))
        assert len({run.run_id for run in runs}) == 1
        assert sorted(run.attached for run in runs) == [False, True, True, True]
        results = list(threads.map(lambda run: run.result(timeout=60), runs))
        assert all(result == results[0] for result in results)
        assert client.run(runs[0].id).status()["phase"] == "done"


def test_closing_a_client_ends_the_waiting_of_other_threads(given: dict[str, Any]) -> None:
    client = skyfabric.sync.Client()
    with ThreadPoolExecutor(1) as threads:
        # GuardFabric runs as long as the fabric.
        waiting = threads.submit(client.run(f"fabric/{given['fabric']}").result)
        with pytest.raises(skyfabric.StillRunningError):
            client.run(f"fabric/{given['fabric']}").result(timeout=0.2)
        client.close()
        with pytest.raises(skyfabric.SkyfabricError, match="closed"):
            waiting.result(timeout=20)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_process_goes_on_with_the_client_of_its_parent(given: dict[str, Any]) -> None:
    with skyfabric.sync.Client() as client:
        peers = client.status(given["fabric"])["peers"]
        child = os.fork()
        if child == 0:
            same = False
            try:
                same = client.status(given["fabric"])["peers"] == peers
            finally:
                os._exit(0 if same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert client.status(given["fabric"])["peers"] == peers


_FORKED = """
import os, sys, skyfabric.sync
client = skyfabric.sync.Client()
assert client.status(sys.argv[1])["peers"]
child = os.fork()
if child == 0:
    assert client.status(sys.argv[1])["peers"]
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert client.status(sys.argv[1])["peers"]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_process_ends_in_good_order(given: dict[str, Any]) -> None:
    # From 3.12 on, Python warns of every fork of a process that has threads.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _FORKED, given["fabric"]]
    told = subprocess.run(command, timeout=60, check=False, capture_output=True, text=True)  # noqa: S603
    assert (told.returncode, told.stderr) == (0, "")


def test_only_runs_that_go_on_can_be_cancelled(given: dict[str, Any]) -> None:
    fabric = given["fabric"]
    with skyfabric.sync.Client() as client:
        with pytest.raises(skyfabric.InvalidError, match="is no run, but a workflow GuardFabric"):
            client.cancel(f"fabric/{fabric}")
        with pytest.raises(skyfabric.ConflictError, match="is done already") as caught:
            client.cancel(f"link/{fabric}/south/west")
        assert caught.value.hint == "What it made is taken back with unlink."
        assert len(client.status(fabric)["peers"]) == 3


def test_every_problem_that_only_the_workflow_sees_is_told_at_once(given: dict[str, Any]) -> None:
    with skyfabric.sync.Client() as client:
        with pytest.raises(skyfabric.InvalidError) as caught:
            client.connect("echo", namespace="demo", port=80, from_=["west", "west"], to=["west", "east"], fabric=given["fabric"])
        assert caught.value.problems == (
            'from.1: peer "west" is named twice',
            'to.0: peer "west" has no other peer to import from',
        )
        assert caught.value.hint is not None
        with pytest.raises(skyfabric.InvalidError) as caught:
            client.link("west", "west", fabric=given["fabric"])
        assert caught.value.problems == ("peers: must name two different peers",)
        with pytest.raises(skyfabric.InvalidError) as caught:
            client.teardown(abandon=True, fabric=given["fabric"])
        assert caught.value.problems == ("abandon: needs the peers to be named whose clusters are gone",)
        assert caught.value.workflow_id == f"abandon/{given['fabric']}/all"


def test_nothing_is_sent_that_has_another_shape(given: dict[str, Any]) -> None:
    with skyfabric.sync.Client() as client:
        with pytest.raises(skyfabric.InvalidError) as caught:
            client.connect("Echo", namespace="demo", port=0, from_=[], to=["east"], fabric=given["fabric"])
        assert {problem.split(":")[0] for problem in caught.value.problems} == {"service.name", "service.port", "from"}
        assert caught.value.workflow_id is None


def test_a_failed_run_tells_where_it_failed_and_what_was_undone(given: dict[str, Any]) -> None:
    nowhere: Peer = {"name": "nowhere", "context": "nowhere", "kubeconfig": given["bootstrap"]["peers"][0]["kubeconfig"]}
    with skyfabric.sync.Client() as client, pytest.raises(skyfabric.NotFoundError) as caught:
        client.bootstrap([nowhere], fabric=f"{given['fabric']}-2", deadlines=QUICK)
    error = caught.value
    assert error.peer == "nowhere"
    # The two looks that a bootstrap begins with go side by side.
    assert error.step in {"preflight", "record inventory"}
    assert error.residue == []
    assert error.rollback is not None
    assert error.workflow_id == f"bootstrap/{given['fabric']}-2/nowhere"


def test_what_is_not_there_is_told_apart(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with skyfabric.sync.Client() as client:
        with pytest.raises(skyfabric.NotFoundError, match="no fabric nothing"):
            client.status("nothing")
        with pytest.raises(skyfabric.NotFoundError, match="no run link/nothing"):
            client.describe("link/nothing/a/b")
        with pytest.raises(skyfabric.NotFoundError):
            client.cancel("link/nothing/a/b")
    with skyfabric.sync.Client(task_queue="nobody") as client, pytest.raises(skyfabric.UnavailableError, match="no worker listens"):
        client.link("east", "west", fabric=given["fabric"])
    with pytest.raises(skyfabric.SkyfabricError, match="closed"):
        client.status()
    with pytest.raises(skyfabric.NotFoundError, match="no namespace nowhere"):
        skyfabric.sync.Client(namespace="nowhere")
    with pytest.raises(skyfabric.UnreachableError, match=r"127\.0\.0\.1:1 "):
        skyfabric.sync.Client(address="127.0.0.1:1")
    monkeypatch.setenv("TEMPORAL_PROFILE", "nobody-wrote-this")
    with pytest.raises(skyfabric.InvalidError, match="configuration"):
        skyfabric.sync.Client()


def test_the_fabric_ends_with_its_last_peer(given: dict[str, Any]) -> None:
    fabric = given["fabric"]
    with skyfabric.sync.Client() as client:
        left = client.teardown(["south", "nobody"], fabric=fabric, deadlines=QUICK)
        assert (left["peers"], left["absent"], left["ended"]) == (["south"], ["nobody"], False)
        assert problems_of("TeardownResult", left) == []
        ended = client.teardown(fabric=fabric, deadlines=QUICK)
        assert (ended["peers"], ended["ended"]) == (["east", "west"], True)
        assert problems_of("TeardownResult", ended) == []
        with pytest.raises(skyfabric.NotFoundError):
            client.status(fabric)
