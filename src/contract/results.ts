// What workflows return.
import type { GatewayEndpoint } from '../model/peer';
import type { Service } from '../model/connection';
import type { Link } from '../model/topology';
import type { OwedCleanup } from './owed';
import type { Problem, Residue, Rollback } from './status';

export interface PeerResult {
  readonly peer: string;
  readonly endpoint: GatewayEndpoint;
  /** SHA-256 fingerprint of the peer's certificate, and its end (ISO 8601). */
  readonly certificate: { readonly fingerprint: string; readonly notAfter: string };
  /** Whether anything of its gateway was changed; links are not part of it. */
  readonly changed: boolean;
}

export interface BootstrapResult {
  readonly fabric: string;
  readonly changed: boolean;
  readonly authority: { readonly fingerprint: string; readonly notAfter: string; readonly created: boolean };
  readonly peers: readonly PeerResult[];
  readonly links: readonly Link[];
  /** Peers that failed and were rolled back (`onFailure: keep-healthy`). */
  readonly failed: readonly { readonly peer: string; readonly problem: Problem }[];
  /** What those rollbacks could not remove. */
  readonly residue: readonly Residue[];
}

export interface ImportProof {
  readonly peer: string;
  /** `probe`: bytes came back on every one of `attempts` connections. `status`: ClusterLink's conditions only. */
  readonly verified: 'probe' | 'status';
  readonly attempts: number;
  readonly bytes: number;
  /** Where the service is called on this peer. */
  readonly address: string;
}

export interface ConnectResult {
  readonly fabric: string;
  readonly connection: string;
  readonly service: Service;
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly changed: boolean;
  readonly imports: readonly ImportProof[];
}

export interface DisconnectResult {
  readonly fabric: string;
  readonly service: { readonly name: string; readonly namespace: string };
  readonly changed: boolean;
  /** Connections that ended, and those that go on with fewer peers, by id. */
  readonly ended: readonly string[];
  readonly narrowed: readonly string[];
}

export interface LinkResult {
  readonly fabric: string;
  readonly link: Link;
  readonly changed: boolean;
}

export interface TeardownResult {
  readonly fabric: string;
  readonly peers: readonly string[];
  /** Those that were asked for and are no peers of it, or none any more. */
  readonly absent?: readonly string[];
  /** Whether the fabric ended with its last peer. */
  readonly ended: boolean;
  readonly changed: boolean;
}

/** How a link carries bytes in one direction. */
export interface LinkMeasure {
  /** From opening a new connection to the whole answer, on average; small payload. Milliseconds. */
  readonly latencyMs: number;
  /** Bytes there and back in a second, in payloads of 1 MiB over one connection. */
  readonly bytesPerSecond: number;
  /** Of the large payload, there and back, all compared. */
  readonly bytes: number;
}

/** What a proof showed, or why there is none. */
type Proof<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly problem: Problem };

/** Pods on `from` call an echo server on `to`. */
export type LinkProof = { readonly from: string; readonly to: string } & Proof<LinkMeasure>;

/** A connection as its callers on one peer find it. */
export type ConnectionProof = { readonly connection: string; readonly service: Service; readonly peer: string } & Proof<ImportProof>;

export interface VerifyResult {
  readonly fabric: string;
  /** Each link twice, once for each direction. */
  readonly links: readonly LinkProof[];
  readonly connections: readonly ConnectionProof[];
}

/** What a run left that nobody answers for any more: it was terminated, or it ended without taking it back. */
export interface Orphan {
  readonly peer: string;
  readonly claim: string;
  /** Workflow id and run id of the run that left it. */
  readonly by: string;
  readonly run: string;
  /** Workflow id of that run, where it is not `by`: it has taken something from the claim. */
  readonly changedBy?: string;
  /** What became of that run: `was terminated`. */
  readonly why: string;
  /** `Kind namespace/name` of everything that carries the claim. */
  readonly objects: readonly string[];
}

/**
 * What a connection has lost on a peer, while the register knows it as whole: who took it away did not get as far as to tell, nor to put it
 * back. It is only told: what it stood on may be gone as well, and who takes away cannot be guessed to want it back.
 */
export interface Loss {
  readonly peer: string;
  /** The connection's claim, and its workflow id. */
  readonly claim: string;
  readonly by: string;
  /** Workflow id and run id of the run that has changed the claim last. */
  readonly changedBy: string;
  readonly run: string;
  /** What became of that run: `was terminated`. */
  readonly why: string;
  /** What the register knows of it, and the peer's claim asks for no more. */
  readonly pairs: readonly { readonly importer: string; readonly source: string }[];
  /** What to do about it. */
  readonly hint: string;
}

export interface CleanupResult {
  readonly fabric: string;
  readonly owed: readonly OwedCleanup[];
  readonly orphans: readonly Orphan[];
  /** What registered connections have lost; absent when it is nothing. */
  readonly losses?: readonly Loss[];
  /** Whether the orphans were removed; without `remove` they are only told. */
  readonly removed: boolean;
  /** Peers that could not be looked at. */
  readonly unseen: readonly { readonly peer: string; readonly problem: Problem }[];
  /** How many more orphans there were than one run removes; the next one removes more. */
  readonly left?: number;
}

/** Details of a failed run's ApplicationFailure. */
export interface RunFailure {
  readonly problem: Problem;
  readonly rollback: Rollback;
  /** What the run found out all the same, in the shape of its result. */
  readonly result?: unknown;
}

export interface CheckFinding {
  readonly check: string;
  readonly ok: boolean;
  readonly message: string;
  readonly hint?: string;
  /** Kubernetes objects that mend it once an administrator applies them. */
  readonly manifest?: readonly object[];
}

/** A remote of a gateway, and whether its heartbeat reaches it. */
interface GatewayRemote {
  readonly peer: string;
  readonly reachable: boolean;
}

/** How a peer's gateway stands at this moment. */
export interface GatewayState {
  /** Whether both of its Deployments are rolled out whole. */
  readonly ready: boolean;
  /** Why it is not. */
  readonly troubles: readonly string[];
  readonly links: readonly GatewayRemote[];
}

export interface CheckResult {
  readonly ok: boolean;
  readonly peers: readonly {
    readonly peer: string;
    readonly findings: readonly CheckFinding[];
    /** Of the gateway that the fabric has there; absent where there is none, or it cannot be seen. */
    readonly gateway?: GatewayState;
  }[];
}
