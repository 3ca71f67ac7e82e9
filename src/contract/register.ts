// The fabric's register: what GuardFabric keeps, and how the other workflows tell it.
import type { Access, LoadBalancing, Service, Verify } from '../model/connection';
import type { GatewayOptions } from '../model/gateway';
import type { GatewayEndpoint, Peer } from '../model/peer';
import { linkName, type Link } from '../model/topology';
import { remainingImports } from '../model/withdrawal';

/** A member of the fabric, and how to reach it. */
export interface RegisteredPeer extends Peer {
  readonly endpoint: GatewayEndpoint;
  /** The uid of the cluster's kube-system namespace. */
  readonly clusterUid: string;
  /** How its gateway was installed. */
  readonly clusterlink: GatewayOptions;
}

/** A connection as it stands. */
export interface RegisteredConnection {
  /** The claim's id. */
  readonly id: string;
  readonly workflowId: string;
  readonly service: Service;
  /** Importing peer → its sources. */
  readonly imports: Readonly<Record<string, readonly string[]>>;
  readonly loadBalancing: LoadBalancing;
  readonly merge: boolean;
  readonly access: Access;
  readonly verify: Verify;
}

/** A run that changed the fabric, newest last; the register keeps the latest 50. */
interface RegisteredRun {
  readonly workflowId: string;
  readonly runId: string;
  readonly kind: string;
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
  /** By run id. */
  readonly removeRuns?: readonly string[];
  /** Replace those of the same name, link or id. */
  readonly putPeers?: readonly RegisteredPeer[];
  readonly putLinks?: readonly Link[];
  readonly putConnections?: readonly RegisteredConnection[];
  readonly run?: RegisteredRun;
}

/** All peers of a connection; one that imports and exports is told twice. */
export function peersOfConnection({ imports }: Pick<RegisteredConnection, 'imports'>): string[] {
  return [...Object.keys(imports), ...Object.values(imports).flat()];
}

/** The register of a fabric that has no peers yet. */
export function emptyRegister(fabric: string): Register {
  return { fabric, peers: [], links: [], connections: [], runs: [] };
}

const KEPT_RUNS = 50;

/**
 * The register after a change. Links and connections are among its peers: a run that tells of one when the peer has just left, or
 * before a teardown tells what it knew of at its beginning, has told what no longer stands.
 */
export function applyChange(register: Register, change: RegisterChange): Register {
  const peers = merge(
    leaveOut(register.peers, change.removePeers, (peer) => peer.name),
    change.putPeers,
    (peer) => peer.name,
  );
  const links = merge(leaveOut(register.links, change.removeLinks?.map(linkName), linkName), change.putLinks, linkName);
  const connections = merge(leaveOut(register.connections, change.removeConnections, idOf), change.putConnections, idOf);
  const members = new Set(peers.map((peer) => peer.name));
  const isGone = (one: string, other: string): boolean => !members.has(one) || !members.has(other);
  return {
    fabric: register.fabric,
    peers,
    links: links.filter(({ a, b }) => !isGone(a, b)),
    connections: connections
      .map((connection) => ({ ...connection, imports: remainingImports(connection.imports, isGone) }))
      .filter(({ imports }) => Object.keys(imports).length > 0),
    runs: runsAfter(register, change),
  };
}

/** The change that takes `change` back, told of the register as it was before it. */
export function inverseOf(register: Register, change: RegisterChange): RegisterChange {
  const names = new Set([...(change.removePeers ?? []), ...(change.putPeers ?? []).map((peer) => peer.name)]);
  const links = new Set([...(change.removeLinks ?? []), ...(change.putLinks ?? [])].map(linkName));
  const ids = new Set([...(change.removeConnections ?? []), ...(change.putConnections ?? []).map(idOf)]);
  return {
    removePeers: [...names],
    removeLinks: [...(change.removeLinks ?? []), ...(change.putLinks ?? [])],
    removeConnections: [...ids],
    ...(change.run === undefined ? {} : { removeRuns: [change.run.runId] }),
    putPeers: register.peers.filter((peer) => names.has(peer.name)),
    putLinks: register.links.filter((link) => links.has(linkName(link))),
    putConnections: register.connections.filter((connection) => ids.has(connection.id)),
  };
}

/** A run that is told of twice stands there once. */
function runsAfter({ runs }: Register, { removeRuns = [], run }: RegisterChange): readonly RegisteredRun[] {
  const without = new Set([...removeRuns, ...(run === undefined ? [] : [run.runId])]);
  return [...runs.filter(({ runId }) => !without.has(runId)), ...(run === undefined ? [] : [run])].slice(-KEPT_RUNS);
}

const idOf = (connection: RegisteredConnection): string => connection.id;

function leaveOut<T>(list: readonly T[], keys: readonly string[] | undefined, keyOf: (item: T) => string): readonly T[] {
  const without = new Set(keys);
  return list.filter((item) => !without.has(keyOf(item)));
}

function merge<T>(list: readonly T[], put: readonly T[] | undefined, keyOf: (item: T) => string): T[] {
  const byKey = new Map([...list, ...(put ?? [])].map((item) => [keyOf(item), item]));
  return [...byKey.keys()].sort().flatMap((key) => byKey.get(key) ?? []);
}
