// Workflow ids and claim ids, all derived here. The same request has the same id, so it finds the running run instead of starting a second.
import { ALL_PEERS } from '../model/peer';
import type { BootstrapRequest, CheckRequest, ConnectRequest, DisconnectRequest, TeardownRequest } from '../model/requests';
import { sha256 } from '../model/sha256';
import { linkOf, type Link } from '../model/topology';

/** The most that Temporal and Kubernetes let us spend on a list of names in an id. */
const READABLE = 80;

export const guardWorkflowId = (fabric: string): string => `fabric/${fabric}`;

export const settleWorkflowId = (fabric: string): string => `cleanup/${fabric}`;

export const bootstrapWorkflowId = (request: Pick<BootstrapRequest, 'fabric' | 'peers'>): string =>
  `bootstrap/${request.fabric}/${nameList(request.peers.map((peer) => peer.name))}`;

export const connectWorkflowId = (request: Pick<ConnectRequest, 'fabric' | 'service' | 'from' | 'to'>): string =>
  `connect/${request.fabric}/${request.service.namespace}/${request.service.name}/${digest([sorted(request.from), sorted(request.to)])}`;

/** Whether a workflow id is that of a connect of this service, between whatever peers. */
export const isConnectOf = (
  workflowId: string,
  fabric: string,
  { namespace, name }: Pick<ConnectRequest['service'], 'namespace' | 'name'>,
): boolean => workflowId.startsWith(`connect/${fabric}/${namespace}/${name}/`);

export const disconnectWorkflowId = (request: Pick<DisconnectRequest, 'fabric' | 'service' | 'from' | 'to'>): string =>
  `disconnect/${request.fabric}/${request.service.namespace}/${request.service.name}/${digest([sorted(request.from ?? []), sorted(request.to ?? [])])}`;

export const linkWorkflowId = (fabric: string, peers: readonly [string, string]): string => pairId('link', fabric, linkOf(...peers));

export const unlinkWorkflowId = (fabric: string, peers: readonly [string, string]): string => pairId('unlink', fabric, linkOf(...peers));

/** Peers are abandoned also while a teardown of them goes on that waits for their clusters. */
export const teardownWorkflowId = (request: Pick<TeardownRequest, 'fabric' | 'peers' | 'abandon'>): string =>
  `${request.abandon === true ? 'abandon' : 'teardown'}/${request.fabric}/${request.peers === undefined ? ALL_PEERS : nameList(request.peers)}`;

export const checkWorkflowId = (request: Pick<CheckRequest, 'fabric' | 'peers'>): string =>
  `check/${request.fabric}/${nameList(request.peers.map((peer) => peer.name))}`;

export const verifyWorkflowId = (fabric: string): string => `verify/${fabric}`;

export const cleanUpWorkflowId = (fabric: string): string => `orphans/${fabric}`;

/** Kinds of claims: a bootstrap's (gateways and links), a link request's, a connection's, a verification's (all of it temporary). */
export type ClaimKind = 'bootstrap' | 'link' | 'connection' | 'verification';

/** The id under which a workflow claims objects, at most 63 characters: `connection-3f2a90c1d4e5`. */
export const claimIdOf = (kind: ClaimKind, workflowId: string): string => `${kind}-${digest(workflowId)}`;

/** Which kind of request made a claim. */
export const isClaimOf = (kind: ClaimKind, claimId: string): boolean => claimId.startsWith(`${kind}-`);

function pairId(verb: string, fabric: string, link: Link): string {
  return `${verb}/${fabric}/${link.a}/${link.b}`;
}

function nameList(names: readonly string[]): string {
  const list = sorted(names).join('+');
  return list.length <= READABLE ? list : `${names.length}-peers-${digest(sorted(names))}`;
}

function sorted(names: readonly string[]): string[] {
  return [...names].sort();
}

function digest(value: unknown): string {
  return sha256(JSON.stringify(value)).slice(0, 12);
}
