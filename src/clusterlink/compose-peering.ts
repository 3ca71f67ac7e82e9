// A Peer as the sum of its claims. Claims say only that it is needed; where the remote gateway answers is a fact, and the newest
// observation of it holds, whoever made it.
import { changeNote, standingChange } from '../kubernetes/change-note';
import type { KubeObject } from '../kubernetes/kube-object';
import { sameJson } from '../kubernetes/digest';
import type { Claimant } from '../model/claimant';
import type { GatewayEndpoint } from '../model/peer';
import { CONDITION, type PeerResource } from './resources';

/** What a claim needs of a Peer: that it is there. */
export type PeerNeed = Readonly<Record<string, never>>;

/** Where a Peer points before it is deleted: nobody answers there, and the refusal is immediate. */
export const DEFUSED: GatewayEndpoint = { host: '127.0.0.1', port: 1 };

/** When the gateways of a Peer were last changed (ISO 8601): its condition may be older, and tells of other gateways then. */
export const GATEWAYS_SINCE = 'skyfabric.io/gateways-since';

/**
 * How long a condition from before a change may stand although the new gateways do not answer: one heartbeat and its repetition,
 * 3 s each, and time to write it. Source: ClusterLink v0.4.1, pkg/util/jsonapi/client.go, pkg/controlplane/control/peer.go.
 */
const STALE_MS = 7_000;

/** A Peer without its claims. */
interface ComposedPeer {
  readonly annotations: Record<string, string>;
  readonly spec: PeerResource['spec'];
}

/** Who leads a Peer, and since when (ISO 8601). */
interface Lead {
  readonly by: Pick<Claimant, 'id' | 'run'>;
  readonly now: string;
}

/** The spec of a Peer whose remote gateway was just observed at `endpoint`; one that led elsewhere keeps where, for `leadBack`. */
export function composePeer(endpoint: GatewayEndpoint, { by, now }: Lead, current: KubeObject | undefined): ComposedPeer {
  const spec = { gateways: [{ host: endpoint.host, port: endpoint.port }] };
  if (current === undefined || sameJson((current as PeerResource).spec.gateways, spec.gateways)) return { annotations: {}, spec };
  // Nobody wants a Peer back that led nowhere because it was to be deleted.
  const note = isDefused(current as PeerResource) ? {} : changeNote(by, current, spec);
  return { annotations: { [GATEWAYS_SINCE]: now, ...note }, spec };
}

/** A Peer led back to where it led before this run led it elsewhere; one that was led on since stays as it is. */
export function leadBack({ by, now }: Lead, current: PeerResource): ComposedPeer {
  if (!isLedBy(by, current)) return { annotations: {}, spec: current.spec };
  return { annotations: { [GATEWAYS_SINCE]: now }, spec: standingChange(current)?.earlier as PeerResource['spec'] };
}

/** Whether this run led a Peer elsewhere, and it still leads there. */
export function isLedBy({ run }: Lead['by'], peer: KubeObject): boolean {
  return standingChange(peer)?.run === run;
}

/** Whether a Peer was made harmless, to be deleted. */
export function isDefused({ spec }: PeerResource): boolean {
  return sameJson(spec.gateways, [DEFUSED]);
}

/** The condition PeerReachable; there is none until the first heartbeat succeeds. */
export function reachability({
  status,
}: PeerResource): { readonly status: string; readonly message?: string; readonly lastTransitionTime?: string } | undefined {
  return status?.conditions?.find((condition) => condition.type === CONDITION.peerReachable);
}

/**
 * For how much longer (ms) a PeerReachable that is True may be stale; 0 when it can be believed. A control plane that sees new
 * gateways asks them at once and says False when they do not answer, but says nothing new when they do.
 * @param now milliseconds since the epoch
 */
export function doubtMs(peer: PeerResource, now: number): number {
  const since = Date.parse(peer.metadata.annotations?.[GATEWAYS_SINCE] ?? '');
  const stated = Date.parse(reachability(peer)?.lastTransitionTime ?? '');
  // Kubernetes writes whole seconds: a statement of the same second counts as older.
  if (Number.isNaN(since) || stated > since) return 0;
  return Math.min(Math.max(since + STALE_MS - now, 0), STALE_MS);
}
