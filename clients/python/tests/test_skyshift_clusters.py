"""SkyShift's names of clusters, as contexts and as peers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fake_client import FakeManager, member

from skyfabric.skyshift.clusters import context_of, peer_name, peer_of, registered_as, sanitized
from skyfabric.skyshift.options import Options

CONTEXTS = [
    "kind-peer1",
    "gke_project_us-west1-a_lab",
    "arn:aws:eks:us-west-2:123456789012:cluster/lab",
    "admin@lab",
    "my laptop",
    "Lab.Example",
    "x" * 100,
]


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_sanitized_name_is_mapped_back_to_its_context(context: str) -> None:
    name = sanitized(context)
    assert not re.search(r"[ /@_]", name)
    assert sanitized(name) == name
    assert context_of(name) == context
    assert peer_of(FakeManager(name), Options())["context"] == context


def test_every_name_makes_a_peer_of_its_own() -> None:
    names = [*CONTEXTS, "lab.example", "lab-example", "x" * 101, "---", "Ä"]
    peers = [peer_name(name) for name in names]
    assert len(set(peers)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", peer) for peer in peers)
    assert peer_name("kind-peer1") == "kind-peer1"
    assert peer_name("admin@lab") == peer_name("admin-at-lab") == "admin-at-lab"
    assert peer_name("Lab.Example").startswith("lab-example-")


def test_a_kind_cluster_has_a_node_port_and_others_a_load_balancer() -> None:
    assert peer_of(FakeManager("kind-a"), Options())["ingress"] == {"type": "NodePort", "nodePort": 30443}
    assert "ingress" not in peer_of(FakeManager("gke-a"), Options())


def test_the_default_kubeconfig_is_the_workers_own_and_another_is_named_in_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/sky")
    monkeypatch.chdir(tmp_path)
    assert "kubeconfig" not in peer_of(FakeManager("a"), Options())
    assert peer_of(FakeManager("a", config_path="~/lab.yaml"), Options())["kubeconfig"] == "/home/sky/lab.yaml"
    assert peer_of(FakeManager("a", config_path="lab.yaml"), Options())["kubeconfig"] == str(tmp_path / "lab.yaml")


def test_the_options_have_the_last_word_on_a_cluster() -> None:
    options = Options(peers={"admin-at-lab": {"context": "other", "kubeconfig": "/in/the/worker"}})
    peer = peer_of(FakeManager("admin-at-lab", namespace="shop", config_path="/here"), options)
    assert peer == {"name": "admin-at-lab", "context": "other", "namespace": "shop", "kubeconfig": "/in/the/worker"}


def test_a_kubeconfig_of_the_options_is_read_as_the_managers_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/sky")

    def chosen(kubeconfig: str) -> object:
        return peer_of(FakeManager("a", config_path="/here"), Options(peers={"a": {"kubeconfig": kubeconfig}})).get("kubeconfig")

    assert (chosen("~/lab.yaml"), chosen("/lab.yaml"), chosen("~/.kube/config")) == ("/home/sky/lab.yaml", "/lab.yaml", None)
    assert "kubeconfig" not in peer_of(FakeManager("a", config_path=""), Options())


class _ReadOnlyManager:
    """Nothing here can be written, as a type checker sees."""

    @property
    def cluster_name(self) -> str:
        """A name."""
        return "a"

    @property
    def namespace(self) -> str:
        """A namespace."""
        return "default"

    @property
    def config_path(self) -> str:
        """The default."""
        return "~/.kube/config"


def test_a_manager_may_have_properties() -> None:
    assert peer_of(_ReadOnlyManager(), Options()) == {"name": "a", "context": "a", "namespace": "default"}


def test_a_member_is_given_again_without_what_was_found_out() -> None:
    assert set(registered_as(member("a", kubeconfig="/k"))) == {"name", "context", "namespace", "ingress", "labels", "kubeconfig"}
