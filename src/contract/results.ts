// What workflows return.
import type { GatewayEndpoint } from '../model/peer';
import type { Service } from '../model/connection';
import type { Link } from '../model/topology';
import type { Problem, Residue, Rollback } from './status';

export interface PeerResult {
  readonly peer: string;
  readonly endpoint: GatewayEndpoint;
  /** SHA-256 fingerprint of the peer's certificate, and its end (ISO 8601). */
  readonly certificate: { readonly fingerprint: string; readonly notAfter: string };
  /** Whether anything in the cluster was changed. */
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
  /** Whether the fabric ended with its last peer. */
  readonly ended: boolean;
  readonly changed: boolean;
}

/** Details of a failed run's ApplicationFailure. */
export interface RunFailure {
  readonly problem: Problem;
  readonly rollback: Rollback;
}

export interface CheckFinding {
  readonly check: string;
  readonly ok: boolean;
  readonly message: string;
  readonly hint?: string;
}

export interface CheckResult {
  readonly ok: boolean;
  readonly peers: readonly { readonly peer: string; readonly findings: readonly CheckFinding[] }[];
}
