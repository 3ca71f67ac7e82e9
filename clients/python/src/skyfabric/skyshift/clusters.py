"""SkyShift's clusters as peers: names, contexts, kubeconfigs and ways in."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Protocol, cast

from ..answers import RegisteredPeer
from ..inputs import Peer
from .options import Options

KIND_PREFIX = "kind-"
#: A kind cluster has no load balancer.
KIND_NODE_PORT = 30443
#: What SkyShift names where nobody names a kubeconfig: the worker then uses its own default.
DEFAULT_KUBECONFIG = "~/.kube/config"

#: What SkyShift replaces in the names of contexts, and by what.
_REPLACED = ((" ", "-space-"), ("/", "-dash-"), ("@", "-at-"), ("_", "-underscore-"))
_PEER_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_READABLE = 54


class Manager(Protocol):
    """What is read of SkyShift's ``KubernetesManager``."""

    #: The kubeconfig's context, sanitized.
    cluster_name: str
    #: Of the gateway and of the services.
    namespace: str
    config_path: str


def sanitized(name: str) -> str:
    """A context's name as SkyShift calls the cluster; what is sanitized already stays as it is."""
    for character, word in _REPLACED:
        name = name.replace(character, word)
    return name


def context_of(cluster_name: str) -> str:
    """The context that a cluster's name was made of."""
    for character, word in _REPLACED:
        cluster_name = cluster_name.replace(word, character)
    return cluster_name


def peer_name(cluster_name: str) -> str:
    """The cluster's name, where a peer may have it; otherwise what can be kept of it, and a digest that tells such names apart."""
    name = sanitized(cluster_name)
    if _PEER_NAME.fullmatch(name):
        return name
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_READABLE].rstrip("-") or "cluster"
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def peer_of(manager: Manager, options: Options) -> Peer:
    """What a bootstrap needs to know of the cluster."""
    name = sanitized(manager.cluster_name)
    peer: dict[str, Any] = {"name": peer_name(name), "context": context_of(name), "namespace": manager.namespace}
    if manager.config_path != DEFAULT_KUBECONFIG:
        # The worker has another working directory, and may have another home.
        peer["kubeconfig"] = str(Path(manager.config_path).expanduser().absolute())
    if name.startswith(KIND_PREFIX):
        peer["ingress"] = {"type": "NodePort", "nodePort": KIND_NODE_PORT}
    return cast(Peer, {**peer, **options.peers.get(name, {})})


def registered_as(peer: RegisteredPeer) -> Peer:
    """A member as it is given again."""
    return cast(Peer, {key: value for key, value in peer.items() if key not in {"endpoint", "clusterUid", "clusterlink"}})
