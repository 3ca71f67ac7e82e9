"""What SkyShift's controllers call: the functions of its ``cluster_linkv2``, carried out by Skyfabric's workflows.

A call returns when what it was asked for is so, and raises ``CallFailed`` (a ``subprocess.CalledProcessError``) when it cannot be, after
the workflow has undone what it did; or ``CallTimedOut`` (a ``subprocess.TimeoutExpired``) when it waited long enough. Calls may be made
from any number of threads and processes, repeated, and out of order: what the clusters hold is settled by claims, one for each service,
source and importer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

from .. import requests
from ..answers import ConnectResult, DisconnectResult, GatewayState, Register, RegisteredPeer
from ..errors import ConflictError, InvalidError, SkyfabricError, StillRunningError, plain
from ..inputs import Peer
from ..prepared import R, Request, prepare
from ..texts import is_text
from .asking import carry_out, register_of
from .clusters import Manager, manager_problems, peer_name, peer_of, registered_as
from .failures import CallFailed, CallTimedOut
from .options import Options, read_options
from .services import only_port, require_service

__all__ = [
    "CallFailed",
    "CallTimedOut",
    "check_link_status",
    "create_link",
    "delete_export_service",
    "delete_import_service",
    "delete_link",
    "export_service",
    "import_service",
    "launch_clusterlink",
    "status_network",
]


def launch_clusterlink(manager: Manager) -> bool:
    """Makes the cluster a peer of SkyShift's fabric, or mends its gateway. True once the gateway answers."""
    with _call("launch_clusterlink", manager=manager) as options:
        _launch(manager, options, "launch_clusterlink")
        return True


def status_network(manager: Manager) -> bool:
    """Whether the cluster is a peer as SkyShift describes it, with both parts of its gateway rolled out. Only looks."""
    with _call("status_network", manager=manager) as options:
        wanted = peer_of(manager, options)
        _sound(requests.check([wanted], fabric=options.fabric))
        register = register_of(options)
        if register is None or not any(_is_reached_as(peer, wanted) for peer in register["peers"]):
            return False
        state = _gateways(register, [wanted["name"]], options).get(wanted["name"])
        return state is not None and state["ready"]


def check_link_status(source_cluster_name: str, target_cluster_name: str) -> bool:
    """Whether the link is there and both gateways reach each other over it. Only looks."""
    with _call("check_link_status", source_cluster_name=source_cluster_name, target_cluster_name=target_cluster_name) as options:
        names = [peer_name(source_cluster_name), peer_name(target_cluster_name)]
        register = register_of(options)
        if register is None or not any({link["a"], link["b"]} == {*names} for link in register["links"]):
            return False
        states = _gateways(register, names, options)
        return all(_reaches(states.get(one), other) for one, other in (names, names[::-1]))


def create_link(source_manager: Manager, target_manager: Manager) -> bool:
    """Links two clusters, and launches one that is no peer yet. True once both gateways reach each other."""
    with _call("create_link", source_manager=source_manager, target_manager=target_manager) as options:
        one, other = (peer_name(manager.cluster_name) for manager in (source_manager, target_manager))
        request = _sound(requests.link(one, other, fabric=options.fabric, deadlines=options.deadlines, reason="SkyShift: create_link"))
        for manager in (source_manager, target_manager):
            _require_member(manager, options, "create_link")
        carry_out(request, options)
        return True


def delete_link(source_manager: Manager, target_manager: Manager) -> bool:
    """Takes a link down on both sides; what was imported over it ends in good order. True also when there was none."""
    with _call("delete_link", source_manager=source_manager, target_manager=target_manager) as options:
        one, other = (peer_name(manager.cluster_name) for manager in (source_manager, target_manager))
        # SkyShift has forgotten the link already: one that stayed would be nobody's.
        request = _sound(
            requests.unlink(one, other, force=True, fabric=options.fabric, deadlines=options.deadlines, reason="SkyShift: delete_link")
        )
        if _are_members(register_of(options), [one, other]):
            carry_out(request, options)
        return True


def export_service(service_name: str, manager: Manager, ports: Sequence[int]) -> bool:
    """Sees that the service can be imported from this cluster, by this port. Nothing is opened until an import names the cluster."""
    with _call("export_service", service_name=service_name, manager=manager) as options:
        port = only_port(service_name, ports)
        # As somebody will ask for it who imports it: what no import could name is no export.
        _connection(service_name, manager, peer_name(manager.cluster_name), port, options)
        require_service(manager, service_name, port)
        _require_member(manager, options, "export_service")
        _refuse_other_port(register_of(options), service_name, manager, port)
        return True


def import_service(service_name: str, manager: Manager, peer: str, ports: Sequence[int]) -> bool:
    """Adds ``peer`` to the sources of the cluster's own Service of that name. True once bytes have come from it."""
    with _call("import_service", service_name=service_name, manager=manager, peer=peer) as options:
        # One request for each source: each has a claim of its own, and the import has the sources of them all.
        request = _connection(service_name, manager, peer_name(peer), only_port(service_name, ports), options)
        _require_member(manager, options, "import_service")
        carry_out(request, options)
        return True


def delete_export_service(service_name: str, manager: Manager) -> bool:
    """Takes the cluster from the sources of every import of the service, and the export away. False when nobody imported it."""
    with _call("delete_export_service", service_name=service_name, manager=manager) as options:
        request = _disconnection(service_name, manager, options, from_=[peer_name(manager.cluster_name)])
        return _withdraw(request, options)


def delete_import_service(service_name: str, manager: Manager, peer: str) -> bool:
    """Takes ``peer`` from the sources; the import goes with the last. False when it was no source."""
    with _call("delete_import_service", service_name=service_name, manager=manager, peer=peer) as options:
        request = _disconnection(service_name, manager, options, from_=[peer_name(peer)], to=[peer_name(manager.cluster_name)])
        return _withdraw(request, options)


@contextmanager
def _call(function: str, **given: object) -> Iterator[Options]:
    """Turns the client's errors into those that SkyShift catches. What is given are names, and managers under names that say so."""
    call = plain(f"{function}({', '.join(_named(one) for one in given.values())})")
    options = Options()
    try:
        _require_arguments(given)
        options = read_options().begun()
        yield options
    except StillRunningError as error:
        raise CallTimedOut(call, options.timeout, error) from error
    except SkyfabricError as error:
        raise CallFailed(call, error) from error


def _named(given: object) -> str:
    name = getattr(given, "cluster_name", given)
    return name if isinstance(name, str) else type(name).__name__


def _require_arguments(given: Mapping[str, object]) -> None:
    """SkyShift is not typed, and catches none of what Python raises for an argument of another type. Raises ``InvalidError``."""
    managers = [problem for name, one in given.items() if name.endswith("manager") for problem in manager_problems(name, one)]
    names = [f"{name}: must be text" for name, one in given.items() if not (name.endswith("manager") or is_text(one))]
    if managers or names:
        raise InvalidError("; ".join([*names, *managers]), problems=[*names, *managers])


def _sound(request: Request[R]) -> Request[R]:
    """The request, before anything is done for it that it could not make use of. Raises ``InvalidError`` for one of another shape."""
    prepare(request.kind, request.fields)
    return request


def _launch(manager: Manager, options: Options, why: str) -> None:
    request = requests.bootstrap(
        [peer_of(manager, options)],
        links={"kind": "none"},
        clusterlink=options.clusterlink,
        certificates=options.certificates,
        fabric=options.fabric,
        deadlines=options.deadlines,
        reason=f"SkyShift: {why}",
    )
    carry_out(request, options)


def _are_members(register: Register | None, names: Sequence[str]) -> bool:
    return register is not None and {peer["name"] for peer in register["peers"]}.issuperset(names)


def _require_member(manager: Manager, options: Options, why: str) -> None:
    """Calls come in any order, so one may need a cluster whose launch is still to come; one that is under way is waited for."""
    if not _are_members(register_of(options), [peer_name(manager.cluster_name)]):
        _launch(manager, options, why)


def _is_reached_as(registered: RegisteredPeer, wanted: Peer) -> bool:
    """Not, when SkyShift knows another way to the cluster meanwhile: a launch then tells the register."""
    keys = ("name", "context", "kubeconfig", "namespace")
    return [registered.get(key) for key in keys] == [wanted.get(key) for key in keys]


def _gateways(register: Register, names: Sequence[str], options: Options) -> dict[str, GatewayState]:
    """How the gateways of these peers stand; one that is no peer or cannot be seen is missing."""
    known = {peer["name"]: peer for peer in register["peers"]}
    if not known.keys() >= set(names):
        return {}
    request = requests.check(
        [registered_as(known[name]) for name in sorted(names)],
        fabric=options.fabric,
        deadlines=options.deadlines,
        reason="SkyShift: status",
    )
    return {looked["peer"]: looked["gateway"] for looked in carry_out(request, options)["peers"] if "gateway" in looked}


def _reaches(state: GatewayState | None, other: str) -> bool:
    return state is not None and state["ready"] and any(one["peer"] == other and one["reachable"] for one in state["links"])


def _refuse_other_port(register: Register | None, service: str, manager: Manager, port: int) -> None:
    """A port that differs from the one in use is not taken over in silence. Raises ``ConflictError``."""
    source = peer_name(manager.cluster_name)
    for connection in [] if register is None else register["connections"]:
        named = connection["service"]
        is_same = (named["namespace"], named["name"]) == (manager.namespace, service)
        if is_same and named["port"] != port and any(source in sources for sources in connection["imports"].values()):
            raise ConflictError(
                f"{service} is imported from {manager.cluster_name} by port {named['port']}, not {port}",
                hint="Delete the export, then export and import it anew.",
                workflow_id=connection["workflowId"],
            )


def _connection(service: str, manager: Manager, source: str, port: int, options: Options) -> Request[ConnectResult]:
    return _sound(
        requests.connect(
            service,
            namespace=manager.namespace,
            port=port,
            from_=[source],
            to=[peer_name(manager.cluster_name)],
            merge=True,
            verify=options.verification(manager.namespace, service),
            fabric=options.fabric,
            deadlines=options.deadlines,
            reason="SkyShift: import_service",
        )
    )


def _disconnection(
    service: str, manager: Manager, options: Options, *, from_: Sequence[str], to: Sequence[str] | None = None
) -> Request[DisconnectResult]:
    return _sound(
        requests.disconnect(
            service,
            namespace=manager.namespace,
            from_=from_,
            to=to,
            fabric=options.fabric,
            deadlines=options.deadlines,
            reason="SkyShift: delete_import_service" if to else "SkyShift: delete_export_service",
        )
    )


def _withdraw(request: Request[DisconnectResult], options: Options) -> bool:
    """Whether there was anything to take away."""
    named = [name for end in ("from", "to") for name in cast("Sequence[str]", request.fields.get(end, ()))]
    return _are_members(register_of(options), named) and carry_out(request, options)["changed"]
