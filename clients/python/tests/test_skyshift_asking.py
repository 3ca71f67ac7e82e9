"""Waiting for a server that is away, and for a run that was asked for otherwise."""

from __future__ import annotations

import os
from typing import Any

import pytest
from fake_client import FakeClient, take_place

import skyfabric
from skyfabric import Request, requests
from skyfabric.errors import error_of_failure
from skyfabric.skyshift import asking
from skyfabric.skyshift.options import Options

REQUEST: Request[Any] = requests.link("west", "east")
ID = "link/default/east/west"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    return take_place(monkeypatch)


def test_a_server_that_comes_back_is_waited_for(client: FakeClient) -> None:
    client.refusals = [skyfabric.UnreachableError("no server"), skyfabric.UnavailableError("no worker listens")]
    assert asking.carry_out(REQUEST, Options()) == {"changed": True}
    assert len(client.asked) == 1


def test_a_result_that_is_asked_for_again_is_that_of_the_same_run(client: FakeClient) -> None:
    lost = [skyfabric.UnavailableError("the server did not answer")]

    def answer(_timeout: float | None) -> dict[str, bool]:
        if lost:
            raise lost.pop()
        return {"changed": False}

    client.answers["EstablishLink"] = [answer]
    assert asking.carry_out(REQUEST, Options()) == {"changed": False}
    assert (len(client.asked), client.ended) == (1, [ID, ID])


def test_a_server_that_stays_away_is_given_up(client: FakeClient) -> None:
    client.refusals = [skyfabric.UnreachableError("no server")] * 100_000
    with pytest.raises(skyfabric.UnreachableError):
        asking.carry_out(REQUEST, Options(patience=0.05))
    assert client.asked == []


def test_a_run_that_could_not_reach_a_cluster_is_not_asked_again(client: FakeClient) -> None:
    failure: Any = {
        "problem": {"code": "unreachable", "message": "east does not answer"},
        "rollback": {"undone": [], "inventories": {}, "residue": []},
    }
    client.answers["EstablishLink"] = [error_of_failure(failure, workflow_id=ID, run_id="r")]
    with pytest.raises(skyfabric.UnreachableError, match="east does not answer"):
        asking.carry_out(REQUEST, Options())
    assert client.ended == [ID]


@pytest.mark.parametrize("end", [{"changed": True}, skyfabric.InUseError("it failed")])
def test_a_run_that_was_asked_for_otherwise_ends_first(client: FakeClient, end: Any) -> None:
    client.refusals = [skyfabric.ConflictError("running already, with other options", workflow_id=ID, run_id="other")]
    client.answers[ID] = [end]
    asking.carry_out(REQUEST, Options())
    assert client.ended == [f"{ID} other", ID]


@pytest.mark.parametrize("end", [{"changed": True}, skyfabric.UnreachableError("what it made was taken away")])
def test_only_a_run_that_began_after_the_call_answers_it(client: FakeClient, end: Any) -> None:
    client.running = 2
    client.answers["EstablishLink"] = [end, {"changed": False}, skyfabric.InUseError("one too many")]
    if isinstance(end, skyfabric.SkyfabricError):
        end.rollback = {"undone": [], "inventories": {}, "residue": []}
    assert asking.carry_out(REQUEST, Options()) == {"changed": False}
    assert len(client.asked) == 2


def test_a_conflict_in_the_clusters_is_raised(client: FakeClient) -> None:
    client.answers["EstablishLink"] = [skyfabric.ConflictError("somebody else's", workflow_id=ID, run_id="r")]
    with pytest.raises(skyfabric.ConflictError, match="somebody else's"):
        asking.carry_out(REQUEST, Options())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_process_that_was_forked_meanwhile_is_not_locked() -> None:
    with asking._opening:
        child = os.fork()
        if child == 0:
            os._exit(1 if asking._opening.locked() else 0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
