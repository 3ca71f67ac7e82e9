"""What comes back: results, failures, and the answers to queries, with the names they have on the wire.

Written by: SKYFABRIC_WRITE=1 npx jest test/contract/schema --selectProjects simulated
"""

from __future__ import annotations

import sys
from typing import Dict, List, Literal, Mapping, Sequence, Tuple, TypedDict, Union

if sys.version_info >= (3, 11):
    from typing import NotRequired
else:
    from typing_extensions import NotRequired


class Authority(TypedDict):
    fingerprint: str
    notAfter: str
    created: bool


class Failed(TypedDict):
    peer: str
    problem: Problem


class BootstrapResult(TypedDict):
    fabric: str
    changed: bool
    authority: Authority
    peers: List[PeerResult]
    links: List[Link]
    #: Peers that failed and were rolled back (`onFailure: keep-healthy`).
    failed: List[Failed]
    #: What those rollbacks could not remove.
    residue: List[Residue]


class CheckFinding(TypedDict):
    check: str
    ok: bool
    message: str
    hint: NotRequired[str]
    #: Kubernetes objects that mend it once an administrator applies them.
    manifest: NotRequired[List[Dict[str, object]]]


class Peer(TypedDict):
    peer: str
    findings: List[CheckFinding]
    #: Of the gateway that the fabric has there; absent where there is none, or it cannot be seen.
    gateway: NotRequired[GatewayState]


class CheckResult(TypedDict):
    ok: bool
    peers: List[Peer]


class Unseen(TypedDict):
    peer: str
    problem: Problem


class CleanupResult(TypedDict):
    fabric: str
    owed: List[OwedCleanup]
    orphans: List[Orphan]
    #: What registered connections have lost; absent when it is nothing.
    losses: NotRequired[List[Loss]]
    #: Whether the orphans were removed; without `remove` they are only told.
    removed: bool
    #: Peers that could not be looked at.
    unseen: List[Unseen]
    #: How many more orphans there were than one run removes; the next one removes more.
    left: NotRequired[int]


class Service(TypedDict):
    name: str
    namespace: str
    port: int


_ConnectResult = TypedDict("_ConnectResult", {"from": "List[str]"})


class ConnectResult(_ConnectResult):
    fabric: str
    connection: str
    service: Service
    to: List[str]
    changed: bool
    imports: List[ImportProof]


class ConnectionProofFailed(TypedDict):
    connection: str
    service: Service
    peer: str
    ok: Literal[False]
    problem: Problem


class ConnectionProofShown(TypedDict):
    connection: str
    service: Service
    peer: str
    ok: Literal[True]
    #: `probe`: bytes came back on every one of `attempts` connections. `status`: ClusterLink's conditions only.
    verified: Literal["probe", "status"]
    attempts: int
    bytes: int
    #: Where the service is called on this peer.
    address: str


#: A connection as its callers on one peer find it.
ConnectionProof = Union[ConnectionProofFailed, ConnectionProofShown]


class DisconnectService(TypedDict):
    name: str
    namespace: str


class DisconnectResult(TypedDict):
    fabric: str
    service: DisconnectService
    changed: bool
    #: Connections that ended, and those that go on with fewer peers, by id.
    ended: List[str]
    narrowed: List[str]


class GatewayEndpoint(TypedDict):
    """Where a gateway answers: a DNS name or IP address, and a TCP port."""

    host: str
    port: int


class GatewayRemote(TypedDict):
    """A remote of a gateway, and whether its heartbeat reaches it."""

    peer: str
    reachable: bool


class GatewayState(TypedDict):
    """How a peer's gateway stands at this moment."""

    #: Whether both of its Deployments are rolled out whole.
    ready: bool
    #: Why it is not.
    troubles: List[str]
    links: List[GatewayRemote]


class ImportProof(TypedDict):
    peer: str
    #: `probe`: bytes came back on every one of `attempts` connections. `status`: ClusterLink's conditions only.
    verified: Literal["probe", "status"]
    attempts: int
    bytes: int
    #: Where the service is called on this peer.
    address: str


class Link(TypedDict):
    """Two peers whose gateways are peered; `a` sorts before `b`."""

    a: str
    b: str


_LinkProofFailed = TypedDict("_LinkProofFailed", {"from": "str"})


class LinkProofFailed(_LinkProofFailed):
    to: str
    ok: Literal[False]
    problem: Problem


_LinkProofShown = TypedDict("_LinkProofShown", {"from": "str"})


class LinkProofShown(_LinkProofShown):
    to: str
    ok: Literal[True]
    #: From opening a new connection to the whole answer, on average; small payload. Milliseconds.
    latencyMs: float
    #: Bytes there and back in a second, in payloads of 1 MiB over one connection.
    bytesPerSecond: float
    #: Of the large payload, there and back, all compared.
    bytes: int


#: Pods on `from` call an echo server on `to`.
LinkProof = Union[LinkProofFailed, LinkProofShown]


class LinkResult(TypedDict):
    fabric: str
    link: Link
    changed: bool


class Pair(TypedDict):
    importer: str
    source: str


class Loss(TypedDict):
    """What a connection has lost on a peer, while the register knows it as whole: who took it away did not get as far as to tell, nor to put it back. It is only told: what it stood on may be gone as well, and who takes away cannot be guessed to want it back."""

    peer: str
    #: The connection's claim, and its workflow id.
    claim: str
    by: str
    #: Workflow id and run id of the run that has changed the claim last.
    changedBy: str
    run: str
    #: What became of that run: `was terminated`.
    why: str
    #: What the register knows of it, and the peer's claim asks for no more.
    pairs: List[Pair]
    #: What to do about it.
    hint: str


class Orphan(TypedDict):
    """What a run left that nobody answers for any more: it was terminated, or it ended without taking it back."""

    peer: str
    claim: str
    #: Workflow id and run id of the run that left it.
    by: str
    run: str
    #: Workflow id of that run, where it is not `by`: it has taken something from the claim.
    changedBy: NotRequired[str]
    #: What became of that run: `was terminated`.
    why: str
    #: `Kind namespace/name` of everything that carries the claim.
    objects: List[str]


class OwedCleanup(TypedDict):
    """A debt as it is told: without inputs."""

    #: `undo`: steps of a run that was rolled back. `teardown`: a teardown that could not finish.
    kind: Literal["teardown", "undo"]
    by: str
    run: str
    since: int
    #: Peers that it concerns; none for the fabric itself.
    peers: List[str]
    #: It is only about the fabric's authority, and concerns nobody but those who make it or sign with it.
    authorityOnly: NotRequired[bool]
    #: What is still to be done, in order.
    left: List[str]
    #: Attempts so far.
    attempts: int
    lastError: NotRequired[Problem]
    #: Milliseconds since the epoch; absent while an attempt is under way.
    nextTryAt: NotRequired[int]


class Certificate(TypedDict):
    """SHA-256 fingerprint of the peer's certificate, and its end (ISO 8601)."""

    fingerprint: str
    notAfter: str


class PeerResult(TypedDict):
    peer: str
    endpoint: GatewayEndpoint
    #: SHA-256 fingerprint of the peer's certificate, and its end (ISO 8601).
    certificate: Certificate
    #: Whether anything of its gateway was changed; links are not part of it.
    changed: bool


class Problem(TypedDict):
    """A failure as it is shown: what, where, why, and what to do next."""

    code: Literal["cancelled", "conflict", "forbidden", "in_use", "internal", "invalid", "not_found", "pending", "residue", "unavailable", "unreachable", "unready"]
    message: str
    hint: NotRequired[str]
    peer: NotRequired[str]
    object: NotRequired[str]


class Register(TypedDict):
    """Answer of the `register` query."""

    fabric: str
    peers: List[RegisteredPeer]
    links: List[Link]
    connections: List[RegisteredConnection]
    runs: List[RegisteredRun]


class Clients(TypedDict):
    """Narrows the admitted workloads; everything given must match."""

    #: ClusterLink asks for them under `client.clusterlink.net/labels.<key>`, so a key has no prefix and at most 56 characters.
    labels: Dict[str, str]
    namespace: NotRequired[str]
    serviceAccount: NotRequired[str]


class Access(TypedDict):
    #: `service`: this service only, from the importing peers. `allow-all`: everything between all peers, as ClusterLink's quick start does.
    mode: Literal["allow-all", "service"]
    #: Cluster-wide policies that are decided first.
    privileged: bool
    #: Narrows the admitted workloads; everything given must match.
    clients: NotRequired[Clients]


class VerifyProbe(TypedDict):
    #: A short Job on each importing peer opens the service and moves bytes.
    mode: Literal["probe"]
    image: str


class VerifyStatus(TypedDict):
    #: ClusterLink's own conditions only, for clusters that may not run Jobs.
    mode: Literal["status"]


Verify = Union[VerifyProbe, VerifyStatus]


class RegisteredConnection(TypedDict):
    """A connection as it stands."""

    #: The claim's id.
    id: str
    workflowId: str
    service: Service
    #: Importing peer → its sources.
    imports: Dict[str, List[str]]
    loadBalancing: Literal["random", "round-robin", "static"]
    merge: bool
    access: Access
    verify: Verify


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
    """How its gateway was installed."""

    #: `direct`: our own manifests. `operator`: ClusterLink's operator and an Instance.
    mode: Literal["direct", "operator"]
    #: The data plane: Envoy, or ClusterLink's own in Go.
    dataplane: Literal["envoy", "go"]
    #: Image registry and path, without a trailing slash.
    registry: str
    #: Image tag.
    tag: str
    controlplaneReplicas: int
    dataplaneReplicas: int
    logLevel: Literal["debug", "error", "fatal", "info", "trace", "warning"]
    #: Names of Secrets in the gateway's namespace; they must exist.
    imagePullSecrets: List[str]
    #: Labels put on every object and pod of the gateway, beside our own.
    labels: Dict[str, str]
    controlplaneResources: ControlplaneResources
    dataplaneResources: DataplaneResources
    #: Whether a gateway must answer TLS to the worker before a Peer names it; off where workers cannot reach gateways.
    probeGateways: bool


class IngressLoadBalancer(TypedDict):
    type: Literal["LoadBalancer"]
    #: Port of the Service, 443 by default.
    port: int
    annotations: Dict[str, str]


class IngressNodePort(TypedDict):
    type: Literal["NodePort"]
    annotations: Dict[str, str]
    #: 30000–32767; chosen by the cluster when it is not given.
    nodePort: NotRequired[int]


class IngressNone(TypedDict):
    #: A ClusterIP Service; the operator has another way in, and says which.
    type: Literal["none"]
    host: str
    port: int


Ingress = Union[IngressLoadBalancer, IngressNodePort, IngressNone]


class RegisteredPeer(TypedDict):
    """A member of the fabric, and how to reach it."""

    endpoint: GatewayEndpoint
    #: The uid of the cluster's kube-system namespace.
    clusterUid: str
    #: How its gateway was installed.
    clusterlink: Clusterlink
    #: The peer's name: its identity in every certificate of the fabric.
    name: str
    #: The context of the kubeconfig that reaches the cluster.
    context: str
    #: Namespace of the gateway.
    namespace: str
    ingress: Ingress
    #: The peer's labels, which access policies may ask for.
    labels: Dict[str, str]
    #: Path of the kubeconfig on the worker; the worker's own by default.
    kubeconfig: NotRequired[str]
    #: Task queue of a worker inside this peer's network, for clusters that nobody outside can reach.
    taskQueue: NotRequired[str]


class RegisteredRun(TypedDict):
    """A run that changed the fabric, newest last; the register keeps the latest 50."""

    workflowId: str
    runId: str
    kind: str
    #: Milliseconds since the epoch.
    endedAt: int
    reason: NotRequired[str]


class Residue(TypedDict):
    """A difference between a cluster's inventory before the run and after its rollback."""

    peer: str
    #: `Kind namespace/name`, or a step whose undoing failed.
    object: str
    why: str
    #: It is owed: SettleCleanup tries it until it succeeds.
    owed: NotRequired[bool]


class Inventories(TypedDict):
    before: int
    after: int


class Rollback(TypedDict):
    """The proof of a rollback."""

    #: The step that failed first, and its peer.
    failedStep: NotRequired[str]
    failedPeer: NotRequired[str]
    #: Steps that were undone, in that order.
    undone: List[str]
    #: Objects of the fabric on each peer before the run and after the rollback.
    inventories: Dict[str, Inventories]
    residue: List[Residue]


class RunFailure(TypedDict):
    """Details of a failed run's ApplicationFailure."""

    problem: Problem
    rollback: Rollback
    #: What the run found out all the same, in the shape of its result.
    result: NotRequired[object]


#: `terminated` is told by Temporal and by no run itself: nothing of it was undone.
RunPhase = Literal["cancelled", "done", "failed", "running", "terminated", "undoing"]


class RunStatus(TypedDict):
    """Answer of the `status` query."""

    #: The workflow's name.
    kind: str
    fabric: str
    phase: RunPhase
    steps: List[StepStatus]
    problem: NotRequired[Problem]
    rollback: NotRequired[Rollback]


StepState = Literal["done", "failed", "not-undone", "running", "undoing", "undone"]


class StepStatus(TypedDict):
    """One step of a run. Its `id` is also the id of its activity, so pending attempts can be matched."""

    id: str
    #: What an operator calls it: `deploy gateway`.
    title: str
    #: The peer it works on; none for a step of the whole fabric.
    peer: NotRequired[str]
    state: StepState
    #: Attempts made, counted from 1, once the step has ended; while it runs, Temporal's pending activity tells.
    attempts: NotRequired[int]
    #: What it did, in a few words: `created`, `unchanged`, `172.31.77.11:443`.
    note: NotRequired[str]
    lastError: NotRequired[Problem]
    #: Workflow time, milliseconds since the epoch.
    startedAt: NotRequired[int]
    endedAt: NotRequired[int]


class TeardownResult(TypedDict):
    fabric: str
    peers: List[str]
    #: Those that were asked for and are no peers of it, or none any more.
    absent: NotRequired[List[str]]
    #: Whether the fabric ended with its last peer.
    ended: bool
    changed: bool


class VerifyResult(TypedDict):
    fabric: str
    #: Each link twice, once for each direction.
    links: List[LinkProof]
    connections: List[ConnectionProof]
