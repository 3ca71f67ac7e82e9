"""What is asked of Skyfabric: the inputs of its workflows, with the names they have on the wire.

Written by: SKYFABRIC_WRITE=1 npx jest test/contract/schema --selectProjects simulated
"""

from __future__ import annotations

import sys
from typing import Dict, List, Literal, Mapping, Sequence, Tuple, TypedDict, Union

if sys.version_info >= (3, 11):
    from typing import NotRequired
else:
    from typing_extensions import NotRequired


class Deadlines(TypedDict):
    step: NotRequired[str]
    undo: NotRequired[str]


class IngressLoadBalancer(TypedDict):
    type: Literal["LoadBalancer"]
    port: NotRequired[int]
    annotations: NotRequired[Mapping[str, str]]


class IngressNodePort(TypedDict):
    type: Literal["NodePort"]
    nodePort: NotRequired[int]
    annotations: NotRequired[Mapping[str, str]]


class IngressNone(TypedDict):
    type: Literal["none"]
    host: str
    port: NotRequired[int]


Ingress = Union[IngressLoadBalancer, IngressNodePort, IngressNone]


class Peer(TypedDict):
    name: str
    context: str
    kubeconfig: NotRequired[str]
    namespace: NotRequired[str]
    ingress: NotRequired[Ingress]
    labels: NotRequired[Mapping[str, str]]
    taskQueue: NotRequired[str]


class LinksFullMesh(TypedDict):
    kind: Literal["full-mesh"]


class LinksHubAndSpoke(TypedDict):
    kind: Literal["hub-and-spoke"]
    hub: str


class LinksNone(TypedDict):
    kind: Literal["none"]


class LinksPairs(TypedDict):
    kind: Literal["pairs"]
    pairs: Sequence[Tuple[str, str]]


Links = Union[LinksFullMesh, LinksHubAndSpoke, LinksNone, LinksPairs]


class Requests(TypedDict):
    cpu: NotRequired[str]
    memory: NotRequired[str]


class Limits(TypedDict):
    cpu: NotRequired[str]
    memory: NotRequired[str]


class ControlplaneResources(TypedDict):
    requests: NotRequired[Requests]
    limits: NotRequired[Limits]


class DataplaneResources(TypedDict):
    requests: NotRequired[Requests]
    limits: NotRequired[Limits]


class Clusterlink(TypedDict):
    mode: NotRequired[Literal["direct", "operator"]]
    dataplane: NotRequired[Literal["envoy", "go"]]
    registry: NotRequired[str]
    tag: NotRequired[str]
    controlplaneReplicas: NotRequired[int]
    dataplaneReplicas: NotRequired[int]
    logLevel: NotRequired[Literal["trace", "debug", "info", "warning", "error", "fatal"]]
    imagePullSecrets: NotRequired[Sequence[str]]
    labels: NotRequired[Mapping[str, str]]
    controlplaneResources: NotRequired[ControlplaneResources]
    dataplaneResources: NotRequired[DataplaneResources]
    probeGateways: NotRequired[bool]


class Certificates(TypedDict):
    authorityKeyBits: NotRequired[Literal[2048, 3072, 4096]]
    keyBits: NotRequired[Literal[2048, 3072, 4096]]
    authorityDays: NotRequired[int]
    days: NotRequired[int]
    renewBeforeDays: NotRequired[int]


class Binary(TypedDict):
    tag: NotRequired[str]
    source: NotRequired[str]
    sha256: NotRequired[str]


class BootstrapRequest(TypedDict):
    fabric: NotRequired[str]
    deadlines: NotRequired[Deadlines]
    reason: NotRequired[str]
    peers: Sequence[Peer]
    links: NotRequired[Links]
    clusterlink: NotRequired[Clusterlink]
    certificates: NotRequired[Certificates]
    binary: NotRequired[Binary]
    onFailure: NotRequired[Literal["rollback", "keep-healthy"]]


class Service(TypedDict):
    name: str
    namespace: str
    port: int


class Clients(TypedDict):
    namespace: NotRequired[str]
    serviceAccount: NotRequired[str]
    labels: NotRequired[Mapping[str, str]]


class Access(TypedDict):
    mode: NotRequired[Literal["service", "allow-all"]]
    clients: NotRequired[Clients]
    privileged: NotRequired[bool]


class VerifyProbe(TypedDict):
    mode: Literal["probe"]
    image: NotRequired[str]


class VerifyStatus(TypedDict):
    mode: Literal["status"]


Verify = Union[VerifyProbe, VerifyStatus]


_ConnectRequest = TypedDict("_ConnectRequest", {"from": "Sequence[str]"})


class ConnectRequest(_ConnectRequest):
    fabric: NotRequired[str]
    deadlines: NotRequired[Deadlines]
    reason: NotRequired[str]
    service: Service
    to: Sequence[str]
    loadBalancing: NotRequired[Literal["round-robin", "random", "static"]]
    merge: NotRequired[bool]
    access: NotRequired[Access]
    verify: NotRequired[Verify]
    adopt: NotRequired[bool]


class CheckRequest(TypedDict):
    fabric: NotRequired[str]
    deadlines: NotRequired[Deadlines]
    reason: NotRequired[str]
    peers: Sequence[Peer]
    clusterlink: NotRequired[Clusterlink]


class Remove(TypedDict):
    claim: str
    run: str


class CleanupRequest(TypedDict):
    fabric: NotRequired[str]
    deadlines: NotRequired[Deadlines]
    reason: NotRequired[str]
    peers: NotRequired[Sequence[Peer]]
    remove: NotRequired[Union[Literal["all"], Sequence[Remove]]]


class DisconnectService(TypedDict):
    name: str
    namespace: str


_DisconnectRequest = TypedDict("_DisconnectRequest", {"from": "NotRequired[Sequence[str]]"})


class DisconnectRequest(_DisconnectRequest):
    fabric: NotRequired[str]
    deadlines: NotRequired[Deadlines]
    reason: NotRequired[str]
    service: DisconnectService
    to: NotRequired[Sequence[str]]


class LinkRequest(TypedDict):
    fabric: NotRequired[str]
    deadlines: NotRequired[Deadlines]
    reason: NotRequired[str]
    peers: Tuple[str, str]


class TeardownRequest(TypedDict):
    fabric: NotRequired[str]
    deadlines: NotRequired[Deadlines]
    reason: NotRequired[str]
    peers: NotRequired[Sequence[str]]
    force: NotRequired[bool]
    abandon: NotRequired[bool]


class UnlinkRequest(TypedDict):
    fabric: NotRequired[str]
    deadlines: NotRequired[Deadlines]
    reason: NotRequired[str]
    peers: Tuple[str, str]
    force: NotRequired[bool]


class VerifyRequest(TypedDict):
    fabric: NotRequired[str]
    deadlines: NotRequired[Deadlines]
    reason: NotRequired[str]
    peers: NotRequired[Sequence[str]]
    connections: NotRequired[Sequence[str]]
    image: NotRequired[str]
