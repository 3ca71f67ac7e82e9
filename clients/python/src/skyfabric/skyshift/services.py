"""A cluster's Services, as the manager's own Kubernetes client shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InvalidError, NotFoundError, UnavailableError
from .clusters import Manager

#: How long the cluster's API server may take to answer.
_READ_S = 15


def only_port(service: str, ports: Sequence[int]) -> int:
    """The port that an Import carries. Raises ``InvalidError`` for none or several."""
    if not isinstance(ports, Sequence) or isinstance(ports, (str, bytes)):
        raise InvalidError(f"ports: must be a list of one port, not {type(ports).__name__}", problems=["ports: must be a list"])
    if len(ports) == 1:
        return ports[0]
    raise InvalidError(
        f"{service} has {len(ports)} ports{''.join(f', {port}' for port in ports)}: ClusterLink connects a service by one port",
        hint="Make a Service for each port: of several, each must have a name, and ClusterLink joins a port without a name only.",
    )


def require_service(manager: Manager, service: str, port: int) -> None:
    """Raises ``NotFoundError`` when the cluster has no such Service or port. A manager without a Kubernetes client is not asked."""
    core = getattr(manager, "core_v1", None)
    if core is None:
        return
    place = f"Service {manager.namespace}/{service} on {manager.cluster_name}"
    try:
        spec = core.read_namespaced_service(service, manager.namespace, _request_timeout=_READ_S).spec
        has_ports, ports = spec.type != "ExternalName", _tcp_ports(spec)
    except Exception as error:
        # The exceptions of the package that SkyShift brings: told apart by what they carry.
        if getattr(error, "status", None) == 404:
            raise NotFoundError(f"there is no {place}", hint="Create it, then export it.") from error
        raise UnavailableError(f"{place} could not be looked at: {error}") from error
    # An ExternalName has no ports of its own.
    if port not in ports and has_ports:
        raise NotFoundError(
            f"{place} has {'no TCP port' if not ports else 'TCP port ' + ', '.join(map(str, ports))}, not {port}",
            hint="Export a port of the Service itself, not of its pods.",
        )


def _tcp_ports(spec: Any) -> list[int]:
    return [one.port for one in spec.ports or [] if (one.protocol or "TCP") == "TCP"]
