"""What can be asked of Skyfabric, one function a request; the clients' methods take the same arguments.

What is left out has the workflow's default. ``deadlines`` is how long a step may take with its retries (``step``, ``"10m"`` by
default) and how long its undoing (``undo``, ``"15m"``). ``reason`` is told in Temporal's UI.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from . import answers
from .inputs import Access, Binary, Certificates, Clusterlink, Deadlines, Links, Peer, Remove, Verify
from .prepared import Request

FABRIC = "default"


def bootstrap(
    peers: Sequence[Peer],
    *,
    fabric: str = FABRIC,
    links: Links | None = None,
    clusterlink: Clusterlink | None = None,
    certificates: Certificates | None = None,
    binary: Binary | None = None,
    on_failure: Literal["rollback", "keep-healthy"] | None = None,
    deadlines: Deadlines | None = None,
    reason: str | None = None,
) -> Request[answers.BootstrapResult]:
    """Makes these clusters peers of the fabric: gateways, certificates, links.

    A peer is ``{"name": …, "context": …}``, a context of the worker's kubeconfig. ``links`` are among the peers given here: a full
    mesh, unless told otherwise. With ``on_failure="keep-healthy"`` only the peers that failed are rolled back.
    """
    return Request(
        "BootstrapFabric",
        _given(
            peers=peers,
            fabric=fabric,
            links=links,
            clusterlink=clusterlink,
            certificates=certificates,
            binary=binary,
            onFailure=on_failure,
            deadlines=deadlines,
            reason=reason,
        ),
    )


def connect(
    service: str,
    *,
    namespace: str,
    port: int,
    from_: Sequence[str],
    to: Sequence[str],
    fabric: str = FABRIC,
    load_balancing: Literal["round-robin", "random", "static"] | None = None,
    merge: bool | None = None,
    access: Access | None = None,
    verify: Verify | None = None,
    adopt: bool | None = None,
    deadlines: Deadlines | None = None,
    reason: str | None = None,
) -> Request[answers.ConnectResult]:
    """Makes a service that runs on the peers ``from_`` reachable, and load-balanced, on the peers ``to``.

    ``merge`` joins a Service of that name which is there already. ``adopt`` takes over Exports, Imports and policies of these names
    that somebody else made.
    """
    return Request(
        "ConnectServiceAcrossClusters",
        _given(
            {"from": from_},
            service={"name": service, "namespace": namespace, "port": port},
            to=to,
            fabric=fabric,
            loadBalancing=load_balancing,
            merge=merge,
            access=access,
            verify=verify,
            adopt=adopt,
            deadlines=deadlines,
            reason=reason,
        ),
    )


def disconnect(
    service: str,
    *,
    namespace: str,
    from_: Sequence[str] | None = None,
    to: Sequence[str] | None = None,
    fabric: str = FABRIC,
    deadlines: Deadlines | None = None,
    reason: str | None = None,
) -> Request[answers.DisconnectResult]:
    """Ends connections of a service: wholly, or only from and to these peers."""
    named = {"name": service, "namespace": namespace}
    return Request(
        "DisconnectService",
        _given({"from": from_}, service=named, to=to, fabric=fabric, deadlines=deadlines, reason=reason),
    )


def link(
    one: str, other: str, *, fabric: str = FABRIC, deadlines: Deadlines | None = None, reason: str | None = None
) -> Request[answers.LinkResult]:
    """Links two peers."""
    return Request("EstablishLink", _given(peers=(one, other), fabric=fabric, deadlines=deadlines, reason=reason))


def unlink(
    one: str,
    other: str,
    *,
    force: bool | None = None,
    fabric: str = FABRIC,
    deadlines: Deadlines | None = None,
    reason: str | None = None,
) -> Request[answers.LinkResult]:
    """Takes a link down: refused (``InUseError``) while a connection needs it, unless ``force``."""
    return Request("TeardownLink", _given(peers=(one, other), force=force, fabric=fabric, deadlines=deadlines, reason=reason))


def teardown(
    peers: Sequence[str] | None = None,
    *,
    force: bool | None = None,
    abandon: bool | None = None,
    fabric: str = FABRIC,
    deadlines: Deadlines | None = None,
    reason: str | None = None,
) -> Request[answers.TeardownResult]:
    """Takes these peers out of the fabric, with their gateways; without ``peers``, all of it.

    ``force``: also when connections with the peers that stay need them. ``abandon``: their clusters are gone for ever, so nothing that
    stands there is touched; the peers must be named.
    """
    return Request("TeardownFabric", _given(peers=peers, force=force, abandon=abandon, fabric=fabric, deadlines=deadlines, reason=reason))


def verify(
    *,
    peers: Sequence[str] | None = None,
    connections: Sequence[str] | None = None,
    image: str | None = None,
    fabric: str = FABRIC,
    deadlines: Deadlines | None = None,
    reason: str | None = None,
) -> Request[answers.VerifyResult]:
    """Moves bytes over links and connections (``demo/echo``), all of them unless some are named."""
    return Request(
        "VerifyFabric",
        _given(peers=peers, connections=connections, image=image, fabric=fabric, deadlines=deadlines, reason=reason),
    )


def check(
    peers: Sequence[Peer],
    *,
    clusterlink: Clusterlink | None = None,
    fabric: str = FABRIC,
    deadlines: Deadlines | None = None,
    reason: str | None = None,
) -> Request[answers.CheckResult]:
    """Looks whether a bootstrap of these clusters could succeed, and changes nothing."""
    return Request("CheckClusters", _given(peers=peers, clusterlink=clusterlink, fabric=fabric, deadlines=deadlines, reason=reason))


def cleanup(
    *,
    peers: Sequence[Peer] | None = None,
    remove: Literal["all"] | Sequence[Remove] | None = None,
    fabric: str = FABRIC,
    deadlines: Deadlines | None = None,
    reason: str | None = None,
) -> Request[answers.CleanupResult]:
    """Looks for what terminated runs left, and removes it when told to."""
    return Request("CleanUpFabric", _given(peers=peers, remove=remove, fabric=fabric, deadlines=deadlines, reason=reason))


def _given(reserved: Mapping[str, object] | None = None, **fields: object) -> dict[str, object]:
    """What was not left out."""
    return {key: value for key, value in {**(reserved or {}), **fields}.items() if value is not None}
