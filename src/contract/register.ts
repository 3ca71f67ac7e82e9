// The fabric's register: what GuardFabric keeps, and how the other workflows tell it.
import type { Access, LoadBalancing, Service, Verify } from '../model/connection';
import type { GatewayEndpoint, Peer } from '../model/peer';
import type { Link } from '../model/topology';

/** A member of the fabric, and how to reach it. */
export interface RegisteredPeer extends Peer {
  readonly endpoint: GatewayEndpoint;
  /** The uid of the cluster's kube-system namespace. */
  readonly clusterUid: string;
}

/** A connection as it stands. */
export interface RegisteredConnection {
  /** The claim's id. */
  readonly id: string;
  readonly workflowId: string;
  readonly service: Service;
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly loadBalancing: LoadBalancing;
  readonly merge: boolean;
  readonly access: Access;
  readonly verify: Verify;
}

/** A run that has ended, newest last; the register keeps the latest 50. */
export interface RegisteredRun {
  readonly workflowId: string;
  readonly runId: string;
  readonly kind: string;
  readonly outcome: 'done' | 'failed' | 'cancelled';
  /** Milliseconds since the epoch. */
  readonly endedAt: number;
  readonly reason?: string;
}

/** Answer of the `register` query. */
export interface Register {
  readonly fabric: string;
  readonly peers: readonly RegisteredPeer[];
  readonly links: readonly Link[];
  readonly connections: readonly RegisteredConnection[];
  readonly runs: readonly RegisteredRun[];
}

/** What has changed; every field may be left out. Removals are by name, link or id, and are carried out first. */
export interface RegisterChange {
  readonly removePeers?: readonly string[];
  readonly removeLinks?: readonly Link[];
  readonly removeConnections?: readonly string[];
  /** Replace those of the same name, link or id. */
  readonly putPeers?: readonly RegisteredPeer[];
  readonly putLinks?: readonly Link[];
  readonly putConnections?: readonly RegisteredConnection[];
  readonly run?: RegisteredRun;
}
