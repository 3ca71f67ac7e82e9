"""A client that remembers what it was asked, and answers as a test wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from skyfabric import NotFoundError, Request
from skyfabric.answers import Register, RegisteredPeer
from skyfabric.prepared import prepare
from skyfabric.skyshift import asking
from skyfabric.skyshift.options import FABRIC, FILE

PLAIN_ANSWERS: dict[str, Any] = {
    "BootstrapFabric": {"changed": True},
    "ConnectServiceAcrossClusters": {"changed": True},
    "DisconnectService": {"changed": True},
    "EstablishLink": {"changed": True},
    "TeardownLink": {"changed": True},
}


@dataclass
class FakeManager:
    """What the module reads of SkyShift's ``KubernetesManager``."""

    cluster_name: str
    namespace: str = "default"
    config_path: str = "~/.kube/config"


def member(name: str, **more: Any) -> RegisteredPeer:
    """A peer as the register has it once SkyShift's ``name`` was launched with its default kubeconfig."""
    peer = {
        "name": name,
        "context": name,
        "namespace": "default",
        "ingress": {"type": "NodePort", "nodePort": 30443, "annotations": {}},
        "labels": {},
        "endpoint": {"host": "10.0.0.1", "port": 30443},
        "clusterUid": f"uid-{name}",
        "clusterlink": {"mode": "direct"},
    }
    return cast(RegisteredPeer, {**peer, **more})


def register_with(*names: str, links: Sequence[tuple[str, str]] = (), connections: Sequence[Any] = ()) -> Register:
    """A register of these peers."""
    return {
        "fabric": "skyshift",
        "peers": [member(name) for name in names],
        "links": [{"a": a, "b": b} for a, b in links],
        "connections": list(connections),
        "runs": [],
    }


@dataclass
class FakeRun:
    """A run that has ended already."""

    id: str
    end: Any
    ended: list[str] = field(default_factory=list)
    attached: bool = False

    def result(self, timeout: float | None = None) -> Any:
        """Its answer, or its failure."""
        self.ended.append(self.id)
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end(timeout) if callable(self.end) else self.end


@dataclass
class FakeClient:
    """In the place of ``skyfabric.sync.Client``. Requests are read as the real one reads them."""

    register: Register | None = None
    #: Kind → answers to come, the last of them for ever: a result, an error of the run, or a function of ``timeout``.
    answers: dict[str, list[Any]] = field(default_factory=dict)
    #: What ``submit`` raises before it takes a request.
    refusals: list[Exception] = field(default_factory=list)
    asked: list[Request[Any]] = field(default_factory=list)
    #: Workflow ids of runs that were waited for.
    ended: list[str] = field(default_factory=list)
    #: How many of the next runs are found running.
    running: int = 0
    on_submit: Callable[[Request[Any]], None] | None = None

    def status(self, fabric: str) -> Register:
        """The register, when there is one of that name."""
        if self.register is None or self.register["fabric"] != fabric:
            raise NotFoundError(f"there is no fabric {fabric}")
        return self.register

    def submit(self, request: Request[Any]) -> FakeRun:
        """Takes a request whose shape is right."""
        prepared = prepare(request.kind, request.fields)
        if self.refusals:
            raise self.refusals.pop(0)
        self.asked.append(request)
        if self.on_submit is not None:
            self.on_submit(request)
        answers = self.answers.get(request.kind, [PLAIN_ANSWERS.get(request.kind)])
        self.running -= 1
        return FakeRun(prepared.workflow_id, answers.pop(0) if len(answers) > 1 else answers[0], self.ended, self.running >= 0)

    def run(self, workflow_id: str, run_id: str | None = None) -> FakeRun:
        """Somebody else's run."""
        return FakeRun(f"{workflow_id} {run_id}", self.answers.get(workflow_id, [{}])[0], self.ended)

    @property
    def kinds(self) -> list[str]:
        """Of everything that was asked, in order."""
        return [request.kind for request in self.asked]


def take_place(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """A fake in the place of the module's client; without options, and without pauses."""
    for name in (FILE, FABRIC):
        monkeypatch.delenv(name, raising=False)
    fake = FakeClient()
    monkeypatch.setattr(asking, "client", lambda: fake)
    monkeypatch.setattr(asking, "PAUSE_S", 0.0)
    return fake
