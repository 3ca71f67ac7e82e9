"""SkyShift's clusters as peers: names, contexts, kubeconfigs and ways in."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Protocol, cast

from ..answers import RegisteredPeer
from ..errors import InvalidError
from ..inputs import Peer
from ..texts import is_text
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
    """What is read of SkyShift's ``KubernetesManager``; nothing is written, so properties will do."""

    @property
    def cluster_name(self) -> str:
        """The kubeconfig's context, sanitized."""

    @property
    def namespace(self) -> str:
        """Of the gateway and of the services."""

    @property
    def config_path(self) -> str:
        """The kubeconfig; empty for SkyShift's default."""


def manager_problems(argument: str, manager: object) -> list[str]:
    """What is wrong with a manager, as ``argument.attribute: reason``: SkyShift is not typed."""
    texts = {key: getattr(manager, key, None) for key in ("cluster_name", "namespace", "config_path")}
    return [f"{argument}.{key}: must be text" for key, text in texts.items() if not (is_text(text) or (key, text) == ("config_path", ""))]


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
    peer |= _kubeconfig(manager.config_path)
    if name.startswith(KIND_PREFIX):
        peer["ingress"] = {"type": "NodePort", "nodePort": KIND_NODE_PORT}
    chosen = options.peers.get(name, {})
    if isinstance(chosen.get("kubeconfig"), str):
        peer.pop("kubeconfig", None)
        chosen = {key: value for key, value in chosen.items() if key != "kubeconfig"} | _kubeconfig(chosen["kubeconfig"])
    return cast(Peer, {**peer, **chosen})


def _kubeconfig(path: str) -> dict[str, str]:
    """The kubeconfig as the worker is told of it; the default one is the worker's own. Raises ``InvalidError``."""
    if path in ("", DEFAULT_KUBECONFIG):
        return {}
    try:
        # The worker has another working directory, and may have another home.
        return {"kubeconfig": str(Path(path).expanduser().absolute())}
    except (RuntimeError, OSError) as error:
        raise InvalidError(f"the kubeconfig {path} stands for no path: {error}", hint="Name the file in full.") from error


def registered_as(peer: RegisteredPeer) -> Peer:
    """A member as it is given again."""
    return cast(Peer, {key: value for key, value in peer.items() if key not in {"endpoint", "clusterUid", "clusterlink"}})
