"""SkyShift's own controllers drive the module: ``SKYSHIFT_REPOSITORY=/a/checkout pytest tests/test_skyshift_controllers.py``.

NetworkController, LinkController and ProxyController are SkyShift's; its API server, informers and cluster managers are stood in for.
Needs pydantic[email], pyyaml, requests and rapidfuzz. Without a checkout there is nothing to drive.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from fake_client import FakeClient, FakeManager, register_with, take_place

import skyfabric
from skyfabric import skyshift
from skyfabric.errors import error_of_failure

REPOSITORY = os.environ.get("SKYSHIFT_REPOSITORY")
pytestmark = pytest.mark.skipif(REPOSITORY is None, reason="SKYSHIFT_REPOSITORY names no checkout of SkyShift")

PEERS = ("kind-peer1", "kind-peer2", "kind-peer3")


class _Cluster:
    """What the controllers read of SkyShift's ``Cluster``, with a status that they write."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = SimpleNamespace(network_enabled=None)

    def get_name(self) -> str:
        """Its sanitized name."""
        return self.name

    def model_dump(self, mode: str) -> dict[str, Any]:
        """As it would be sent."""
        return {"mode": mode, **vars(self.status)}


class _World(SimpleNamespace):
    """SkyShift's modules, and what stands in for its API server."""

    clusters: dict[str, _Cluster]
    cluster_api: MagicMock
    link_api: MagicMock
    endpoints_api: MagicMock
    templates: Any

    def controller(self, path: str, name: str, *given: object) -> Any:
        """One of SkyShift's controllers, made by its own constructor."""
        return getattr(importlib.import_module(f"skyshift.{path}"), name)(*given)


def _module(name: str, **members: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    return module


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = take_place(monkeypatch)
    fake.register = register_with(*PEERS)
    return fake


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[_World]:
    root = Path(str(REPOSITORY)) / "skyshift"
    monkeypatch.setenv("HOME", str(tmp_path))
    before = set(sys.modules)
    clusters = {name: _Cluster(name) for name in PEERS}
    apis = {name: MagicMock() for name in ("ClusterAPI", "LinkAPI", "EndpointsAPI", "ServiceAPI")}
    apis["ClusterAPI"].return_value.get.side_effect = clusters.__getitem__
    caches: dict[int, dict[str, Any]] = {id(apis["ClusterAPI"].return_value): clusters}
    service = SimpleNamespace(spec=SimpleNamespace(ports=[SimpleNamespace(port=8080)]))
    caches[id(apis["ServiceAPI"].return_value)] = {"http-server": service}

    def informer(api: object, **_options: object) -> MagicMock:
        return MagicMock(get_cache=lambda: caches.get(id(api), {}))

    def manager(cluster: _Cluster) -> FakeManager:
        return FakeManager(cluster.get_name())

    managers = {"KubernetesManager": FakeManager, "Manager": object}
    for module in (
        # Their own __init__ brings etcd, ray and every controller there is.
        _module("skyshift", __path__=[str(root)]),
        _module("skyshift.skylet", __path__=[str(root / "skylet")]),
        _module("skyshift.api_client", **apis),
        _module("skyshift.structs", Informer=informer),
        _module("skyshift.cluster_manager", __path__=[], **managers),
        _module("skyshift.cluster_manager.manager_utils", setup_cluster_manager=manager),
        _module("skyshift.network", __path__=[]),
    ):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    # The one change to SkyShift.
    monkeypatch.setitem(sys.modules, "skyshift.network.cluster_linkv2", skyshift)
    made = {"cluster_api": apis["ClusterAPI"].return_value, "link_api": apis["LinkAPI"].return_value}
    templates = importlib.import_module("skyshift.templates")
    yield _World(clusters=clusters, endpoints_api=apis["EndpointsAPI"].return_value, templates=templates, **made)
    for name in set(sys.modules) - before:
        if name.startswith("skyshift"):
            del sys.modules[name]


def _failure(code: Any = "unreachable") -> skyfabric.SkyfabricError:
    rollback: Any = {"undone": [], "inventories": {}, "residue": []}
    return error_of_failure({"problem": {"code": code, "message": "no answer"}, "rollback": rollback}, workflow_id="w", run_id="r")


def test_the_network_controller_launches_what_is_not_up(client: FakeClient, world: _World) -> None:
    client.answers["CheckClusters"] = [{"ok": True, "peers": [{"peer": "kind-peer1", "findings": []}]}]
    controller = world.controller("skylet.network_controller", "NetworkController", world.clusters["kind-peer1"])
    controller.controller_loop()
    assert client.kinds == ["CheckClusters", "BootstrapFabric"]
    assert world.clusters["kind-peer1"].status.network_enabled is True
    client.answers["CheckClusters"] = [
        {"ok": True, "peers": [{"peer": "kind-peer1", "findings": [], "gateway": {"ready": True, "troubles": [], "links": []}}]}
    ]
    controller.controller_loop()
    assert client.kinds == ["CheckClusters", "BootstrapFabric", "CheckClusters"]


def test_the_network_controller_sees_a_launch_that_failed(client: FakeClient, world: _World) -> None:
    client.register = None
    client.answers["BootstrapFabric"] = [_failure()]
    controller = world.controller("skylet.network_controller", "NetworkController", world.clusters["kind-peer1"])
    handler = importlib.import_module("skyshift.skylet.network_controller").heartbeat_error_handler
    with handler(controller):
        controller.controller_loop()
    assert controller.retry_counter == 1
    assert world.clusters["kind-peer1"].status.network_enabled is False


def _link_event(world: _World, kind: str) -> Any:
    link = world.templates.Link(metadata={"name": "a-link"}, spec={"source_cluster": "kind-peer1", "target_cluster": "kind-peer2"})
    return SimpleNamespace(event_type=getattr(world.templates.WatchEventEnum, kind).value, object=link)


@pytest.mark.parametrize(("answer", "phase"), [({"changed": True}, "ACTIVE"), ("failure", "FAILED")])
def test_the_link_controller_shows_how_the_link_is(client: FakeClient, world: _World, answer: Any, phase: str) -> None:
    client.answers["EstablishLink"] = [_failure() if answer == "failure" else answer]
    controller = world.controller("controllers.link_controller", "LinkController")
    controller.event_queue.put(_link_event(world, "ADD"))
    controller.controller_loop()
    [told] = world.link_api.update.call_args.args
    assert told["status"]["phase"] == phase


def test_the_link_controller_deletes_a_link(client: FakeClient, world: _World) -> None:
    controller = world.controller("controllers.link_controller", "LinkController")
    controller.event_queue.put(_link_event(world, "DELETE"))
    controller.controller_loop()
    assert client.kinds == ["TeardownLink"]
    world.link_api.update.assert_not_called()


def _endpoints(world: _World, kind: str, *, exposed: bool) -> Any:
    others = {name: {"num_endpoints": 1, "exposed_to_cluster": exposed} for name in PEERS[1:]}
    endpoints = world.templates.Endpoints(
        metadata={"name": "http-server", "namespace": "default"},
        spec={"primary_cluster": "kind-peer1", "endpoints": {"kind-peer1": {"num_endpoints": 1}, **others}},
    )
    return SimpleNamespace(event_type=getattr(world.templates.WatchEventEnum, kind).value, object=endpoints)


def _proxy(world: _World, name: str) -> Any:
    return world.controller("skylet.proxy_controller", "ProxyController", world.clusters[name])


def test_the_proxy_controller_exports_where_replicas_are(client: FakeClient, world: _World) -> None:
    controller = _proxy(world, "kind-peer2")
    controller.worker_queue.put(_endpoints(world, "UPDATE", exposed=False))
    controller.controller_loop()
    told = world.endpoints_api.update.call_args.kwargs["config"]
    assert told["spec"]["endpoints"]["kind-peer2"]["exposed_to_cluster"] is True
    controller.worker_queue.put(_endpoints(world, "DELETE", exposed=True))
    controller.controller_loop()
    assert [(request.kind, request.fields["from"]) for request in client.asked] == [("DisconnectService", ["kind-peer2"])]


def test_the_proxy_controller_imports_on_the_primary_cluster(client: FakeClient, world: _World) -> None:
    controller = _proxy(world, "kind-peer1")
    for kind in ("UPDATE", "DELETE"):
        controller.worker_queue.put(_endpoints(world, kind, exposed=True))
        controller.controller_loop()
    asked = [(request.kind, request.fields["from"], request.fields["to"]) for request in client.asked]
    assert asked == [
        (kind, [source], ["kind-peer1"]) for kind in ("ConnectServiceAcrossClusters", "DisconnectService") for source in PEERS[1:]
    ]
