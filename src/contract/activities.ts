// The activities by what they take and give: the seam between workflows and side effects.
// Every input and result is plain JSON without secrets. All are idempotent: a retry, or a second run, finds its work done.
import type { Access, LoadBalancing, Service, Verify } from '../model/connection';
import type { Claimant, InventoryEntry } from '../model/claimant';
import type { BinaryOptions, CertificateOptions, GatewayOptions } from '../model/gateway';
import type { GatewayEndpoint, Peer, PeerAddress } from '../model/peer';
import type { TeardownRequest } from '../model/requests';
import type { OwedCleanup } from './owed';
import type { Presence } from './presence';
import type { Register, RegisterChange } from './register';
import type { CheckFinding, GatewayState, ImportProof, LinkMeasure } from './results';

/** Whether a step changed anything. */
export interface Change {
  readonly changed: boolean;
  /** What it did, in a few words, for the step tree. */
  readonly note?: string;
}

/**
 * Which claims are taken back.
 * `run`: only what this very run set (undoing). `claim`: the request's claim, whichever run set it. `all`: every claim (teardown).
 */
export type ReleaseScope = 'run' | 'claim' | 'all';

export interface CertificateFacts {
  /** SHA-256 fingerprint, hex with colons. */
  readonly fingerprint: string;
  /** ISO 8601. */
  readonly notAfter: string;
}

export interface RemotePeer {
  readonly name: string;
  readonly endpoint: GatewayEndpoint;
}

/** A managed custom resource as it stood before a run took something from it; it holds no secret. */
export interface RecordedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: unknown;
}

/** What one claim on an Import, Export or Peer asks for, as found in a cluster. */
export interface ObservedClaim {
  readonly kind: 'Import' | 'Export' | 'Peer';
  /** Of an Import or Export. */
  readonly namespace: string;
  readonly name: string;
  readonly claim: string;
  /** Workflow id of the claimant. */
  readonly by: string;
  /** Import: its sources; Export: its importers; Peer: the remote peer itself. */
  readonly remotes: readonly string[];
}

/** Limits a look or a withdrawal; what is left out is not limited. */
export interface Selection {
  readonly service?: { readonly name: string; readonly namespace: string };
  /** Only what concerns these remote peers. */
  readonly remotes?: readonly string[];
  /** Only these claims. */
  readonly claims?: readonly string[];
}

/** A claim, whoever holds it, and the objects that carry it on one peer. */
export interface ClaimHolder {
  readonly claim: string;
  /** Workflow id of the request, and id of the run that set it or changed it last. */
  readonly by: string;
  readonly run: string;
  /** Workflow id of that run, where it is not the request's own: it has taken something from the claim. */
  readonly changedBy?: string;
  /** What a claim from which something was taken still asks for: the sources of its Import, the importers of its Export. */
  readonly sources?: readonly string[];
  readonly importers?: readonly string[];
  /** On one of the objects that run has changed the claim, and what stood before it is noted there. */
  readonly changes?: boolean;
  /** `Kind namespace/name`. */
  readonly objects: readonly string[];
}

/** How a run fares or ended; `unknown`: the server has no such run, or none any more. */
export type RunState = 'running' | 'done' | 'failed' | 'cancelled' | 'terminated' | 'timed-out' | 'unknown';

/** All activities. In Temporal each answers with `Attempted<…>` of what is given here. */
export interface Steps {
  // activities/binary.ts
  installBinary(input: { readonly options: BinaryOptions }): Promise<Change & { readonly path: string; readonly sha256: string }>;

  // activities/authority.ts: on the fabric's task queue, where the key store is.
  ensureAuthority(input: {
    readonly claimant: Claimant;
    readonly certificates: CertificateOptions;
  }): Promise<Change & CertificateFacts & { readonly certificatePem: string; readonly created: boolean }>;
  signPeerCertificate(input: {
    readonly fabric: string;
    readonly peer: string;
    readonly requestPem: string;
    readonly certificates: CertificateOptions;
  }): Promise<{ readonly certificatePem: string }>;
  releaseAuthority(input: { readonly claimant: Claimant; readonly scope: ReleaseScope }): Promise<Change>;

  // activities/preflight.ts and inventory.ts: read-only.
  /** Returns findings of which every `ok: false` forbids a bootstrap. @throws unreachable, unavailable */
  preflight(input: { readonly fabric: string; readonly peer: Peer; readonly clusterlink: GatewayOptions }): Promise<{
    readonly clusterUid: string;
    readonly version: string;
    readonly findings: readonly CheckFinding[];
    readonly gateway?: GatewayState;
  }>;
  takeInventory(input: { readonly fabric: string; readonly peer: PeerAddress }): Promise<{ readonly entries: readonly InventoryEntry[] }>;

  // activities/gateway.ts
  /** Namespace, definitions, claim, record of what stands; and a certificate request when the peer needs a new certificate. Its key stays in the cluster. */
  prepareGateway(input: GatewayInput & { readonly authorityPem: string }): Promise<Change & { readonly requestPem?: string }>;
  /** Secrets, permissions, control plane, data plane, Services. */
  deployGateway(
    input: GatewayInput & { readonly authorityPem: string; readonly certificatePem?: string },
  ): Promise<Change & { readonly certificate: CertificateFacts }>;
  /** Ready pods, a known address, and a TLS answer there. @throws unready, unreachable */
  awaitGateway(input: {
    readonly fabric: string;
    readonly peer: Peer & PeerAddress;
    readonly clusterlink: GatewayOptions;
  }): Promise<Change & { readonly endpoint: GatewayEndpoint }>;
  /** Drops what was kept for undoing, once the run has succeeded. */
  settleGateway(input: { readonly claimant: Claimant; readonly peer: PeerAddress }): Promise<Change>;
  /** Takes the claim back; with the last one the gateway goes, and all that we made for it. Undoing (`run`) puts an earlier gateway back as it was. */
  releaseGateway(input: { readonly claimant: Claimant; readonly peer: PeerAddress; readonly scope: ReleaseScope }): Promise<Change>;

  // activities/peering.ts
  /**
   * `Peer` resources on `peer` that name the remotes; each only once its gateway answers TLS (when `probe`). With `standing` those that are there
   * are led to where the gateways answer now, and none is made or claimed.
   */
  ensurePeerings(input: {
    readonly claimant: Claimant;
    readonly peer: PeerAddress;
    readonly remotes: readonly RemotePeer[];
    readonly probe: boolean;
    readonly standing?: boolean;
  }): Promise<Change>;
  /** Every remote reachable by its heartbeat; with `standing` those that have a `Peer` here. @throws unreachable */
  awaitPeerings(input: {
    readonly fabric: string;
    readonly peer: PeerAddress;
    readonly remotes: readonly RemotePeer[];
    readonly standing?: boolean;
  }): Promise<Change>;
  /**
   * Takes claims back; a `Peer` whose last claim goes is defused, then deleted. `gone`: those of `selection.remotes` that have no `Peer`
   * here now, or one that is being deleted and leads nowhere.
   */
  releasePeerings(input: {
    readonly claimant: Claimant;
    readonly peer: PeerAddress;
    readonly scope: ReleaseScope;
    readonly selection: Selection;
  }): Promise<Change & { readonly gone: readonly string[] }>;

  // activities/export.ts, import.ts, access.ts, verify.ts
  ensureExport(input: ConnectionInput & { readonly importers: readonly string[]; readonly adopt: boolean }): Promise<Change>;
  ensureImport(
    input: ConnectionInput & {
      readonly sources: readonly string[];
      readonly loadBalancing: LoadBalancing;
      readonly merge: boolean;
      readonly adopt: boolean;
      /** As of `tryImport`, by runs that began before there was one. */
      readonly via?: string;
    },
  ): Promise<Change>;
  /** Opens the service by an Import of another name, which nobody else calls. Not an option of `ensureImport`: a worker that does not know it would add the sources to the import in use. */
  tryImport(input: ConnectionInput & { readonly via: string; readonly sources: readonly string[] }): Promise<Change>;
  /** Policies on one peer: egress to `sources`, ingress from `importers`; either may be empty. */
  ensureAccess(
    input: ConnectionInput & {
      readonly sources: readonly string[];
      readonly importers: readonly string[];
      readonly access: Access;
      readonly adopt: boolean;
    },
  ): Promise<Change>;
  verifyConnection(
    input: ConnectionInput & {
      readonly sources: readonly string[];
      readonly access: Access;
      readonly verify: Verify;
      /** The claim whose policy admits the probe; default: the claimant's. */
      readonly connection?: string;
      /** Name of the Import; default: the service's. */
      readonly via?: string;
    },
  ): Promise<ImportProof>;
  removeProbe(input: ConnectionInput & { readonly access: Access }): Promise<Change>;
  /** Undoing of a connection's share on one peer, by claim: import and egress policies; export and ingress policies. */
  releaseImports(input: {
    readonly claimant: Claimant;
    readonly peer: PeerAddress;
    readonly scope: ReleaseScope;
    readonly selection: Selection;
  }): Promise<Change>;
  releaseExports(input: {
    readonly claimant: Claimant;
    readonly peer: PeerAddress;
    readonly scope: ReleaseScope;
    readonly selection: Selection;
  }): Promise<Change>;

  // activities/echo.ts, measure.ts
  /** A server beside the gateway that gives back what it gets, with its Service; returns once it listens. @throws unready */
  ensureEcho(input: ConnectionInput & { readonly image: string }): Promise<Change>;
  /** Undoing: every echo server of this claim; or those that earlier runs of the same workflow have left. */
  removeEcho(input: { readonly claimant: Claimant; readonly peer: PeerAddress; readonly of: 'claim' | 'earlier-runs' }): Promise<Change>;
  /** Moves bytes to an imported echo server and back, from a pod that the access policy admits; `removeProbe` is its undo. @throws unreachable, unready */
  measureLink(
    input: ConnectionInput & { readonly sources: readonly string[]; readonly access: Access; readonly image: string },
  ): Promise<Change & LinkMeasure>;

  // activities/recording.ts
  /** What connections and links a peer holds, with the objects as they stand, so that a withdrawal can be undone. `Peer`s are limited by `remotes` and `claims` only. */
  observeClaims(input: {
    readonly fabric: string;
    readonly peer: PeerAddress;
    readonly selection: Selection;
  }): Promise<{ readonly claims: readonly ObservedClaim[]; readonly objects: readonly RecordedObject[] }>;
  /** Puts recorded objects and claims back; what others claimed since stays. */
  restoreObjects(input: {
    readonly claimant: Claimant;
    readonly peer: PeerAddress;
    readonly objects: readonly RecordedObject[];
  }): Promise<Change>;

  // activities/register.ts
  /** `withOwed`: also what is owed to the fabric's peers, if anything. A workflow of an older version, which would not wait for it, does not ask. */
  readRegister(input: {
    readonly fabric: string;
    readonly withOwed?: boolean;
    /** Comes to work on these peers before it reads. Left undone, and `entered` false, while they are owed cleanup. @throws pending while another run keeps it out */
    readonly enter?: Entry;
  }): Promise<{ readonly register?: Register; readonly owed?: readonly OwedCleanup[]; readonly entered?: boolean }>;
  recordChange(input: { readonly fabric: string; readonly change: RegisterChange }): Promise<Change>;

  // activities/owed-cleanup.ts
  /** Hands what could not be undone to SettleCleanup, which is started by it. */
  oweCleanup(input: { readonly fabric: string; readonly debts: readonly Debt[] }): Promise<Change>;
  /** Returns once nothing is owed to these peers (`undoOnly`: but teardowns), after it has been tried at once. @throws pending, with what is owed and why it fails */
  awaitSettled(input: { readonly fabric: string; readonly peers: readonly string[]; readonly undoOnly?: boolean }): Promise<Change>;
  /** What is owed to these peers is not needed any more: they have been torn down. */
  forgetOwed(input: { readonly fabric: string; readonly peers: readonly string[] }): Promise<Change>;

  // activities/claim-list.ts: read-only.
  /** Every claim but those of probes' Jobs, which go by themselves. */
  listClaims(input: { readonly fabric: string; readonly peer: PeerAddress }): Promise<{ readonly holders: readonly ClaimHolder[] }>;
  /**
   * The state of each run, in the same order; `running` also where a later run of the same workflow id is under way, which relies on what
   * it finds. `repeated`: whether the latest run of that id is another one, and has ended well.
   */
  judgeRuns(input: {
    readonly fabric: string;
    readonly runs: readonly { readonly by: string; readonly run: string }[];
  }): Promise<{ readonly states: readonly RunState[]; readonly repeated?: readonly boolean[] }>;
}

export interface GatewayInput {
  readonly claimant: Claimant;
  readonly peer: Peer;
  readonly clusterlink: GatewayOptions;
  readonly certificates: CertificateOptions;
}

export interface ConnectionInput {
  readonly claimant: Claimant;
  readonly peer: PeerAddress;
  readonly service: Service;
}

/** An activity's value with the number of attempts it took, counted from 1. */
export interface Attempted<T> {
  readonly value: T;
  readonly attempts: number;
}

/** The activities as Temporal sees them. */
export type Activities = {
  [Name in keyof Steps]: (...input: Parameters<Steps[Name]>) => Promise<Attempted<Awaited<ReturnType<Steps[Name]>>>>;
};

/** The activities that take something back. All are idempotent and find what to do by claim. */
type UndoActivity = Extract<
  keyof Steps,
  | 'releaseAuthority'
  | 'releaseExports'
  | 'releaseGateway'
  | 'releaseImports'
  | 'releasePeerings'
  | 'recordChange'
  | 'removeEcho'
  | 'removeProbe'
  | 'restoreObjects'
  | 'settleGateway'
>;

/** An undo as data, so that another workflow can carry it out: one activity and its input. */
export type UndoCall = {
  [Name in UndoActivity]: { readonly activity: Name; readonly input: Parameters<Steps[Name]>[0] };
}[UndoActivity];

/** One undo that is owed, as an operator would name it. */
export interface OwedStep {
  readonly title: string;
  readonly call: UndoCall;
}

/** How a run comes to work on peers. */
export interface Entry extends Pick<Presence, 'peers' | 'leaves' | 'connects' | 'takes'> {
  /** The fabric may be none yet. */
  readonly starts?: boolean;
  /** Those of the peers to which nothing may be owed; default all. With none of them it comes in any case. */
  readonly settled?: readonly string[];
}

interface DebtOrigin {
  /** Workflow id of the run that owes it. */
  readonly by: string;
  /** Its run id. */
  readonly run: string;
  /** When it was handed over: milliseconds since the epoch. */
  readonly since: number;
}

/** What a rolled-back run left on one peer: its undos, in the order in which they are to be carried out. */
export interface UndoDebt extends DebtOrigin {
  readonly kind: 'undo';
  /** Empty for the fabric itself. */
  readonly peer: string;
  /** Of the peer's own worker, if it has one. */
  readonly taskQueue?: string | undefined;
  /** Which of the run's debts to this peer it is, when it hands over several. */
  readonly part?: number;
  readonly steps: readonly OwedStep[];
}

/** A teardown that could not finish: the same request goes on where it stands. */
interface TeardownDebt extends DebtOrigin {
  readonly kind: 'teardown';
  /** The peers where something is left. */
  readonly peers: readonly string[];
  readonly request: TeardownRequest;
  /** Digest of the request as it was first made, which may have named more peers: who makes it again meets the teardown that goes on. */
  readonly asked?: string;
}

export type Debt = UndoDebt | TeardownDebt;
