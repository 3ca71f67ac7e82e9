// The anchor of a gateway: a ConfigMap in its namespace that carries the claims on the whole gateway, and notes which run changed
// the gateway last. Whoever undoes or removes a gateway finds all it needs to know here, on the cluster itself.
import type { Claimant } from '../src/model/claimant';
import { ANCHOR, type GatewayOptions } from '../src/model/gateway';
import { FabricError } from '../src/errors/fabric-error';
import { FABRIC_LABEL, MANAGED_BY, MANAGED_BY_LABEL, readClaims, type Claim } from '../src/kubernetes/claim-marks';
import { ensureClaim, releaseClaims, type ReleaseClaimsResult } from '../src/kubernetes/claims';
import type { Cluster } from '../src/kubernetes/cluster';
import type { KubeObject, ObjectRef } from '../src/kubernetes/kube-object';
import { isRecord } from '../src/model/problems';

/** Longer than any attempt lasts: a removal of which nothing was heard for this long is nobody's any more. */
const REMOVAL_LOST_MS = 10 * 60_000;

/** Where a gateway is, and on whose behalf it is worked on. */
export interface GatewayPlace {
  readonly cluster: Cluster;
  readonly fabric: string;
  readonly namespace: string;
  readonly peer: string;
  readonly signal: AbortSignal;
}

/** What a claim asks of a gateway: a digest of its options. */
export interface GatewayNeed {
  readonly options: string;
}

function isGatewayNeed(need: unknown): need is GatewayNeed {
  return isRecord(need) && typeof need['options'] === 'string';
}

type AnchorData = Partial<
  Readonly<Record<'peer' | 'mode' | 'options' | 'authority' | 'appliedBy' | 'found' | 'removing' | 'removedBy', string>>
>;

/** The anchor as it stands. */
export interface Anchor extends KubeObject {
  readonly data?: AnchorData;
}

/** What a run notes before it changes a gateway. */
export interface Applied {
  readonly mode: GatewayOptions['mode'];
  /** Digest of the options, as in `GatewayNeed`. */
  readonly options: string;
  /** Fingerprint of the fabric authority. */
  readonly authority: string;
}

/** The fabric's labels, for every object that is made for its gateways. */
export function marksOf(fabric: string): Readonly<Record<string, string>> {
  return { [MANAGED_BY_LABEL]: MANAGED_BY, [FABRIC_LABEL]: fabric };
}

/** Whether an object carries the fabric's labels. */
export function isMarked(object: KubeObject, fabric: string): boolean {
  const labels = object.metadata.labels ?? {};
  return labels[MANAGED_BY_LABEL] === MANAGED_BY && labels[FABRIC_LABEL] === fabric;
}

/** The fabric's anchor in a namespace; `undefined` when there is none. */
export async function readAnchor({ cluster, fabric, namespace, signal }: GatewayPlace): Promise<Anchor | undefined> {
  const anchor = await cluster.get<Anchor>(anchorRef(namespace), signal);
  return anchor !== undefined && isMarked(anchor, fabric) ? anchor : undefined;
}

/** The claims on a gateway. */
export function gatewayClaims(anchor: Anchor): readonly Claim<GatewayNeed>[] {
  return readClaims(anchor, isGatewayNeed);
}

/**
 * Claims the gateway, and makes the anchor with its first claim. Notes whether a gateway was found there that nobody claimed
 * (`isFound`): its anchor or its claims were lost.
 * @throws FabricError `conflict` when the namespace holds another peer's or another fabric's gateway, `pending` while it is being removed
 */
export async function claimGateway(
  place: GatewayPlace,
  claimant: Claimant,
  need: GatewayNeed,
  stands: boolean,
): Promise<{ readonly anchor: Anchor; readonly changed: boolean }> {
  const { cluster, fabric, namespace, peer, signal } = place;
  const { id, by, run } = claimant;
  const { object, changed } = await ensureClaim<GatewayNeed>(cluster, {
    ref: anchorRef(namespace),
    fabric,
    claim: { id, by, run, need },
    signal,
    compose: (_claims, current) => {
      const data = (current as Anchor | undefined)?.data;
      if (data?.removing !== undefined) {
        throw new FabricError({
          code: 'pending',
          message: `The gateway in namespace ${namespace} is being removed, last tried at ${data.removing}.`,
          hint: `It is installed anew once it is gone. An interrupted removal is finished by the same request again, or by any other ${REMOVAL_LOST_MS / 60_000} min after its last try.`,
          peer,
        });
      }
      requireSamePeer(place, data?.peer);
      const found = stands && (current === undefined || readClaims(current).length === 0);
      return { data: { peer, ...(found ? { found: run } : {}) } };
    },
  });
  return { anchor: object, changed };
}

/** @throws FabricError `conflict` when the namespace's gateway is that of a peer of another name */
export function requireSamePeer({ namespace, peer }: GatewayPlace, standing: string | undefined): void {
  if (standing === undefined || standing === peer) return;
  throw new FabricError({
    code: 'conflict',
    message: `Namespace ${namespace} holds the gateway of peer ${standing}, not of ${peer}.`,
    hint: `Call this peer ${standing}, as its certificates do, or tear that gateway down first.`,
    peer,
  });
}

/**
 * @throws FabricError `conflict` when the gateway stands under another authority, and other requests rely on that: replacing it on
 * one peer would split the fabric
 */
export function requireSameAuthority(
  { fabric, namespace, peer }: GatewayPlace,
  anchor: Anchor | undefined,
  id: string,
  wanted: string,
): void {
  const standing = anchor?.data?.authority;
  if (anchor === undefined || standing === undefined || standing === wanted) return;
  const other = gatewayClaims(anchor).find((claim) => claim.id !== id);
  if (other === undefined) return;
  throw new FabricError({
    code: 'conflict',
    message: `The gateway in namespace ${namespace} belongs to another authority of fabric ${fabric}: ${standing}, not ${wanted}; ${other.by} relies on it.`,
    hint: "This worker's key store is not the one that the fabric was made with: start the worker with that key store, or tear the fabric down first.",
    peer,
    object: `ConfigMap ${namespace}/${ANCHOR}`,
  });
}

/** Takes claims off the gateway; `beforeDelete` runs before the anchor goes with its last one. */
export async function releaseGatewayClaims(
  { cluster, fabric, namespace, signal }: GatewayPlace,
  options: {
    readonly matches: (claim: Claim<GatewayNeed>) => boolean;
    readonly run: string | undefined;
    readonly unclaimed: boolean;
    readonly beforeDelete: (anchor: Anchor) => Promise<void>;
  },
): Promise<ReleaseClaimsResult<GatewayNeed>> {
  return releaseClaims<GatewayNeed>(cluster, { ref: anchorRef(namespace), fabric, signal, compose: () => ({}), ...options });
}

/** Whether the gateway stood before anybody claimed it: then no run that fails may take it away. */
export function isFound(anchor: Anchor | undefined): boolean {
  return anchor?.data?.found !== undefined;
}

/** Whether this run is the one that changed the gateway last. */
export function isAppliedBy(anchor: Anchor | undefined, { id, run }: Claimant): boolean {
  return anchor?.data?.appliedBy === `${id} ${run}`;
}

/** Notes that this run changes the gateway now. @throws FabricError `unavailable` when another run noted something since the anchor was read */
export async function noteApplied(
  { cluster, namespace, signal }: GatewayPlace,
  { id, run }: Claimant,
  { metadata: { resourceVersion } }: Anchor,
  applied: Applied,
): Promise<void> {
  await cluster.patch(anchorRef(namespace), { metadata: { resourceVersion }, data: { ...applied, appliedBy: `${id} ${run}` } }, signal);
}

/** Puts the anchor's notes back as they were. */
export async function restoreAnchorData({ cluster, namespace, signal }: GatewayPlace, earlier: AnchorData): Promise<void> {
  const nothing = { mode: null, options: null, authority: null, appliedBy: null };
  await cluster.patch(anchorRef(namespace), { data: { ...nothing, ...earlier } }, signal);
}

/**
 * Notes that the gateway is being removed, by whom, and when that was last tried: from now on nobody can claim it.
 * @throws FabricError `unavailable` (`isConflict`) when somebody did so since the anchor was read
 */
export async function noteRemoval(
  { cluster, namespace, signal }: GatewayPlace,
  { id }: Claimant,
  { metadata: { resourceVersion } }: KubeObject,
): Promise<void> {
  const data = { removing: new Date().toISOString(), removedBy: id };
  await cluster.patch(anchorRef(namespace), { metadata: { resourceVersion }, data }, signal);
}

/** Whether the gateway's removal was begun and is nobody's any more: an earlier run's of this request, or one of which nothing was heard for long. */
export function isRemovalLost({ data }: Anchor, { id }: Claimant): boolean {
  if (data?.removing === undefined) return false;
  return data.removedBy === id || Date.now() - Date.parse(data.removing) > REMOVAL_LOST_MS;
}

function anchorRef(namespace: string): ObjectRef {
  return { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: ANCHOR };
}
