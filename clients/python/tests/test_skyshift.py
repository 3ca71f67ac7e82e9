"""SkyShift's functions: what each asks for, what it returns, and what it raises."""

from __future__ import annotations

import json
import pickle
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fake_client import FakeClient, FakeManager, member, register_with, take_place

import skyfabric
from skyfabric import skyshift
from skyfabric.errors import error_of_failure

ONE, TWO, THREE = (FakeManager(f"kind-peer{number}") for number in (1, 2, 3))
NOT_UNDONE: Any = {"undone": [], "inventories": {}, "residue": []}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = take_place(monkeypatch)
    fake.register = register_with("kind-peer1", "kind-peer2", "kind-peer3", links=[("kind-peer1", "kind-peer2")])
    return fake


def _failure(workflow_id: str, code: Any = "unreachable") -> skyfabric.SkyfabricError:
    failure: Any = {"problem": {"code": code, "message": "nobody answers", "hint": "Start it."}, "rollback": NOT_UNDONE}
    return error_of_failure(failure, workflow_id=workflow_id, run_id="r")


def _only_peer(request: skyfabric.Request[Any]) -> Mapping[str, Any]:
    peers = cast("list[Mapping[str, Any]]", request.fields["peers"])
    assert len(peers) == 1
    return peers[0]


def _gateway(name: str, *remotes: str, ready: bool = True, reachable: bool = True) -> dict[str, Any]:
    links = [{"peer": remote, "reachable": reachable} for remote in remotes]
    return {"peer": name, "findings": [], "gateway": {"ready": ready, "troubles": [], "links": links}}


def test_the_functions_are_those_of_cluster_linkv2() -> None:
    assert {name for name in skyshift.__all__ if name.islower()} == {
        "launch_clusterlink",
        "status_network",
        "check_link_status",
        "create_link",
        "delete_link",
        "export_service",
        "import_service",
        "delete_export_service",
        "delete_import_service",
    }


def test_a_launch_bootstraps_the_one_cluster(client: FakeClient) -> None:
    assert skyshift.launch_clusterlink(ONE) is True
    assert client.asked[0].kind == "BootstrapFabric"
    assert client.asked[0].fields == {
        "fabric": "skyshift",
        "links": {"kind": "none"},
        "peers": [
            {
                "name": "kind-peer1",
                "context": "kind-peer1",
                "namespace": "default",
                "ingress": {"type": "NodePort", "nodePort": 30443},
            }
        ],
        "reason": "SkyShift: launch_clusterlink",
    }


def test_the_options_reach_the_requests(client: FakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "options.json"
    file.write_text(
        json.dumps(
            {
                "fabric": "lab",
                "clusterlink": {"dataplane": "go"},
                "certificates": {"authorityKeyBits": 2048},
                "deadlines": {"step": "1m"},
                "verify": {"mode": "status"},
                "peers": {"kind-peer1": {"ingress": {"type": "LoadBalancer"}, "taskQueue": "inside"}},
                "services": {"default/http-server": {"verify": {"mode": "probe", "image": "busybox:1.37"}}},
            }
        )
    )
    monkeypatch.setenv("SKYFABRIC_SKYSHIFT", str(file))
    client.register = {**register_with("kind-peer1", "kind-peer2"), "fabric": "lab"}
    skyshift.launch_clusterlink(ONE)
    skyshift.import_service("http-server", ONE, "kind-peer2", [8080])
    skyshift.import_service("other", ONE, "kind-peer2", [8080])
    launch, first, second = (request.fields for request in client.asked)
    assert launch["fabric"] == "lab"
    assert launch["clusterlink"] == {"dataplane": "go"}
    assert launch["certificates"] == {"authorityKeyBits": 2048}
    peer = _only_peer(client.asked[0])
    assert (peer["ingress"], peer["taskQueue"]) == ({"type": "LoadBalancer"}, "inside")
    assert first["deadlines"] == {"step": "1m"}
    assert first["verify"] == {"mode": "probe", "image": "busybox:1.37"}
    assert second["verify"] == {"mode": "status"}


def test_a_failed_call_raises_what_the_controllers_catch(client: FakeClient) -> None:
    client.answers["BootstrapFabric"] = [_failure("bootstrap/skyshift/kind-peer1")]
    with pytest.raises(subprocess.CalledProcessError) as caught:
        skyshift.launch_clusterlink(ONE)
    error = caught.value
    assert isinstance(error, skyshift.CallFailed)
    assert str(error).splitlines() == [
        "launch_clusterlink(kind-peer1) failed: nobody answers",
        "Workflow: bootstrap/skyshift/kind-peer1",
        "Start it.",
    ]
    assert error.output.decode() == error.stderr.decode() == str(error)
    assert error.returncode != 0
    assert error.error.code == "unreachable"
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(copy), str(copy), copy.workflow_id) == (skyshift.CallFailed, str(error), error.workflow_id)


def test_a_call_that_waited_long_enough_says_so_and_its_workflow_goes_on(
    client: FakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "options.json"
    file.write_text('{"timeout": 5}')
    monkeypatch.setenv("SKYFABRIC_SKYSHIFT", str(file))

    def still_running(timeout: float | None) -> None:
        assert timeout is not None
        assert 0 < timeout <= 5
        raise skyfabric.StillRunningError("too long", hint="It goes on.", workflow_id="link/skyshift/kind-peer1/kind-peer2")

    client.answers["EstablishLink"] = [still_running]
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        skyshift.create_link(ONE, TWO)
    assert str(caught.value).splitlines() == [
        "create_link(kind-peer1, kind-peer2) has not ended within 5 s",
        "Workflow: link/skyshift/kind-peer1/kind-peer2",
        "It goes on.",
    ]
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (str(copy), copy.timeout) == (str(caught.value), 5)


@pytest.mark.parametrize(
    ("looked", "expected"),
    [
        (_gateway("kind-peer1"), True),
        (_gateway("kind-peer1", ready=False), False),
        ({"peer": "kind-peer1", "findings": []}, False),
    ],
)
def test_a_network_is_up_when_both_parts_of_the_gateway_are(client: FakeClient, looked: Any, expected: bool) -> None:
    client.answers["CheckClusters"] = [{"ok": True, "peers": [looked]}]
    assert skyshift.status_network(ONE) is expected
    assert set(_only_peer(client.asked[0])) == {"name", "context", "namespace", "ingress", "labels"}


def test_a_network_is_down_where_nothing_was_launched_or_elsewhere(client: FakeClient) -> None:
    assert skyshift.status_network(FakeManager("kind-peer4")) is False
    assert skyshift.status_network(FakeManager("kind-peer1", config_path="/elsewhere/config")) is False
    client.register = None
    assert skyshift.status_network(ONE) is False
    assert client.asked == []


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (_gateway("kind-peer1", "kind-peer2"), _gateway("kind-peer2", "kind-peer1"), True),
        (_gateway("kind-peer1", "kind-peer2", reachable=False), _gateway("kind-peer2", "kind-peer1"), False),
        (_gateway("kind-peer1", "kind-peer2"), _gateway("kind-peer2", "kind-peer3"), False),
        (_gateway("kind-peer1", "kind-peer2"), _gateway("kind-peer2", "kind-peer1", ready=False), False),
        (_gateway("kind-peer1", "kind-peer2"), {"peer": "kind-peer2", "findings": []}, False),
    ],
)
def test_a_link_is_up_when_each_gateway_reaches_the_other(client: FakeClient, one: Any, two: Any, expected: bool) -> None:
    client.answers["CheckClusters"] = [{"ok": True, "peers": [one, two]}]
    assert skyshift.check_link_status("kind-peer1", "kind-peer2") is expected
    assert skyshift.check_link_status("kind-peer2", "kind-peer1") is expected


def test_a_link_that_nobody_made_is_down(client: FakeClient) -> None:
    assert skyshift.check_link_status("kind-peer1", "kind-peer3") is False
    client.register = None
    assert skyshift.check_link_status("kind-peer1", "kind-peer2") is False
    assert client.asked == []


def test_links_are_made_and_taken_down_by_workflows(client: FakeClient) -> None:
    assert skyshift.create_link(ONE, THREE) is True
    assert skyshift.delete_link(ONE, THREE) is True
    assert client.kinds == ["EstablishLink", "TeardownLink"]
    assert [list(request.fields["peers"]) for request in client.asked] == [["kind-peer1", "kind-peer3"]] * 2  # type: ignore[call-overload]
    assert client.asked[1].fields["force"] is True


def test_a_link_that_cannot_be_made_is_no_success(client: FakeClient) -> None:
    client.answers["EstablishLink"] = [_failure("link/skyshift/kind-peer1/kind-peer2")]
    with pytest.raises(subprocess.CalledProcessError, match="link/skyshift/kind-peer1/kind-peer2"):
        skyshift.create_link(ONE, TWO)


def test_deleting_a_link_of_a_cluster_that_is_no_peer_is_done_already(client: FakeClient) -> None:
    assert skyshift.delete_link(ONE, FakeManager("kind-peer4")) is True
    client.register = None
    assert skyshift.delete_link(ONE, TWO) is True
    assert client.asked == []


def test_a_cluster_that_is_needed_before_its_launch_is_launched(client: FakeClient) -> None:
    def joins(request: skyfabric.Request[Any]) -> None:
        if request.kind == "BootstrapFabric" and client.register is not None:
            client.register["peers"].append(member("kind-peer4"))

    client.on_submit = joins
    four = FakeManager("kind-peer4")
    assert skyshift.create_link(ONE, four) is True
    assert client.kinds == ["BootstrapFabric", "EstablishLink"]
    assert skyshift.export_service("http-server", four, [8080]) is True
    assert client.kinds == ["BootstrapFabric", "EstablishLink"]


def test_each_source_of_an_import_is_a_request_of_its_own(client: FakeClient) -> None:
    assert skyshift.import_service("http-server", ONE, "kind-peer2", [8080]) is True
    assert skyshift.import_service("http-server", ONE, "kind-peer3", [8080]) is True
    assert [request.fields["from"] for request in client.asked] == [["kind-peer2"], ["kind-peer3"]]
    assert {
        "service": {"name": "http-server", "namespace": "default", "port": 8080},
        "to": ["kind-peer1"],
        "merge": True,
    }.items() <= client.asked[0].fields.items()


@pytest.mark.parametrize("ports", [[], [8080, 9090]])
def test_an_export_or_import_of_no_or_several_ports_is_refused_and_not_cut_short(client: FakeClient, ports: list[int]) -> None:
    with pytest.raises(subprocess.CalledProcessError, match=f"http-server has {len(ports)} ports"):
        skyshift.import_service("http-server", ONE, "kind-peer2", ports)
    with pytest.raises(subprocess.CalledProcessError, match=f"http-server has {len(ports)} ports"):
        skyshift.export_service("http-server", TWO, ports)
    assert client.asked == []


class _Core:
    """A Kubernetes client with one Service."""

    def __init__(self, *ports: int, kind: str = "NodePort", failure: Exception | None = None) -> None:
        self.service = SimpleNamespace(
            spec=SimpleNamespace(type=kind, ports=[SimpleNamespace(port=port, protocol="TCP") for port in ports])
        )
        self.failure = failure
        self.read: list[tuple[str, str]] = []

    def read_namespaced_service(self, name: str, namespace: str, *, _request_timeout: float) -> Any:
        """The Service."""
        assert 0 < _request_timeout <= 60
        self.read.append((name, namespace))
        if self.failure is not None:
            raise self.failure
        return self.service


class _AnsweredError(Exception):
    """As the Kubernetes client raises."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


def _with(core: _Core) -> FakeManager:
    manager = FakeManager("kind-peer2", namespace="shop")
    vars(manager)["core_v1"] = core
    return manager


def test_an_export_sees_the_service_and_its_port(client: FakeClient) -> None:
    core = _Core(80, 8080)
    assert skyshift.export_service("http-server", _with(core), [8080]) is True
    assert core.read == [("http-server", "shop")]
    assert skyshift.export_service("far", _with(_Core(kind="ExternalName")), [8080]) is True
    assert client.asked == []


@pytest.mark.parametrize(
    ("core", "code", "message"),
    [
        (_Core(failure=_AnsweredError(404)), "not_found", "there is no Service shop/http-server on kind-peer2"),
        (_Core(failure=_AnsweredError(500)), "unavailable", "could not be looked at: status 500"),
        (_Core(9090, 9091), "not_found", "has TCP port 9090, 9091, not 8080"),
        (_Core(), "not_found", "has no TCP port, not 8080"),
    ],
)
def test_an_export_of_what_is_not_there_is_no_success(client: FakeClient, core: _Core, code: str, message: str) -> None:
    with pytest.raises(skyshift.CallFailed, match=message) as caught:
        skyshift.export_service("http-server", _with(core), [8080])
    assert caught.value.error.code == code


@pytest.mark.parametrize("service", [None, SimpleNamespace(), SimpleNamespace(spec=None), SimpleNamespace(spec=SimpleNamespace())])
def test_an_answer_of_another_shape_is_no_export(client: FakeClient, service: Any) -> None:
    core = _Core(8080)
    core.service = service
    with pytest.raises(skyshift.CallFailed, match="could not be looked at"):
        skyshift.export_service("http-server", _with(core), [8080])


def _refusal(ask: Callable[..., bool], *given: Any) -> skyshift.CallFailed:
    with pytest.raises(skyshift.CallFailed) as caught:
        ask(*given)
    assert caught.value.error.code == "invalid"
    return caught.value


NO_PORTS: list[Any] = [None, 8080, {8080}, "8", b"8", [None], ["8080"], [True], [0], [70000], [10**400], [float("inf")]]


@pytest.mark.parametrize("ports", NO_PORTS, ids=lambda ports: f"{ports!r:.20}")
def test_what_is_no_port_is_neither_exported_nor_imported(client: FakeClient, ports: Any) -> None:
    core = _Core(8080)
    assert "port" in str(_refusal(skyshift.export_service, "http-server", _with(core), ports))
    assert "port" in str(_refusal(skyshift.import_service, "http-server", FakeManager("kind-peer4"), "kind-peer2", ports))
    assert (core.read, client.asked) == ([], [])


@pytest.mark.parametrize("name", [None, b"x", 3, "", "http\udcff", "a\0b", "A/b", "x" * 300])
def test_what_no_service_can_be_called_is_refused_by_every_call(client: FakeClient, name: Any) -> None:
    client.register = None
    for error in (
        _refusal(skyshift.export_service, name, TWO, [8080]),
        _refusal(skyshift.import_service, name, ONE, "kind-peer2", [8080]),
        _refusal(skyshift.delete_export_service, name, TWO),
        _refusal(skyshift.delete_import_service, name, ONE, "kind-peer2"),
    ):
        assert pickle.loads(pickle.dumps(error)).stderr == str(error).encode()  # noqa: S301
    assert client.asked == []


NO_MANAGERS: list[Any] = [
    None,
    "kind-peer1",
    SimpleNamespace(),
    FakeManager("kind-peer1", namespace=cast(Any, None)),
    FakeManager("kind-peer1", config_path=cast(Any, b"/config")),
    FakeManager("kind-peer1", config_path="~nobody-of-that-name/config"),
    FakeManager("kind-\udcff"),
    FakeManager(cast(Any, 3)),
    FakeManager("kind-peer1", namespace="No Namespace"),
]


@pytest.mark.parametrize("manager", NO_MANAGERS, ids=lambda manager: f"{manager!r:.60}")
def test_what_is_no_manager_is_refused_in_what_the_controllers_catch(client: FakeClient, manager: Any) -> None:
    client.register = None
    _refusal(skyshift.launch_clusterlink, manager)
    _refusal(skyshift.status_network, manager)
    assert client.asked == []


def test_names_that_cannot_be_sent_are_refused_by_links(client: FakeClient) -> None:
    names: list[Any] = [None, b"x", "", "x\udcff", ONE]
    for name in names:
        _refusal(skyshift.check_link_status, "kind-peer1", name)
        _refusal(skyshift.delete_import_service, "http-server", ONE, name)
    _refusal(skyshift.create_link, ONE, None)
    assert client.asked == []


def test_all_the_runs_of_a_call_share_its_time(client: FakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "options.json"
    file.write_text('{"timeout": 50}')
    monkeypatch.setenv("SKYFABRIC_SKYSHIFT", str(file))
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    waits: list[float | None] = []

    def slow(timeout: float | None) -> dict[str, bool]:
        waits.append(timeout)
        now[0] += 20
        return {"changed": True}

    client.register = None
    client.answers = {"BootstrapFabric": [slow], "EstablishLink": [slow]}
    skyshift.create_link(ONE, TWO)
    assert waits == [50, 30, 10]


def test_an_export_by_another_port_than_the_one_in_use_is_refused(client: FakeClient) -> None:
    connection = {
        "id": "connection-1",
        "workflowId": "connect/skyshift/default/http-server/1",
        "service": {"name": "http-server", "namespace": "default", "port": 8080},
        "imports": {"kind-peer1": ["kind-peer2"]},
    }
    client.register = register_with("kind-peer1", "kind-peer2", "kind-peer3", connections=[connection])
    assert skyshift.export_service("http-server", TWO, [8080]) is True
    assert skyshift.export_service("http-server", THREE, [9090]) is True
    with pytest.raises(skyshift.CallFailed, match="by port 8080, not 9090") as caught:
        skyshift.export_service("http-server", TWO, [9090])
    assert caught.value.workflow_id == connection["workflowId"]


def test_deleting_an_import_takes_one_source_and_an_export_all_its_importers(client: FakeClient) -> None:
    assert skyshift.delete_import_service("http-server", ONE, "kind-peer2") is True
    assert skyshift.delete_export_service("http-server", TWO) is True
    one, two = (request.fields for request in client.asked)
    assert (one["from"], one["to"]) == (["kind-peer2"], ["kind-peer1"])
    assert two["from"] == ["kind-peer2"]
    assert "to" not in two


def test_deleting_what_is_not_there_is_false(client: FakeClient) -> None:
    client.answers["DisconnectService"] = [{"changed": False}]
    assert skyshift.delete_import_service("http-server", ONE, "kind-peer2") is False
    assert skyshift.delete_export_service("http-server", TWO) is False
    asked = len(client.asked)
    assert skyshift.delete_import_service("http-server", ONE, "nobody") is False
    client.register = None
    assert skyshift.delete_export_service("http-server", TWO) is False
    assert len(client.asked) == asked
