// Taking claims off a gateway. Undoing a run puts an earlier gateway back; with the last claim everything goes, in the order that
// ClusterLink survives: its resources first, while the control plane can still clean up after them, then the pods, then the rest.
import { INSTANCE_FINALIZER, OPERATOR_NAMESPACE } from '../src/clusterlink/resources';
import { PEER } from '../src/clusterlink/shared-kind';
import type { Change, ReleaseScope } from '../src/contract/activities';
import { isFabricError } from '../src/errors/fabric-error';
import { readableClaims, readClaims, type Claim } from '../src/kubernetes/claim-marks';
import { rewriteClaims } from '../src/kubernetes/claims';
import { OPERATOR_KINDS } from '../src/kubernetes/inventory';
import { describeRef, refOf, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import { isObjectMissing } from '../src/kubernetes/kubernetes-errors';
import { watchObjectUntil, watchUntil } from '../src/kubernetes/watch-until';
import type { Claimant } from '../src/model/claimant';
import { ANCHOR } from '../src/model/gateway';
import { tellProgress, withinAttempt } from './activity-context';
import {
  gatewayClaims,
  isAppliedBy,
  isFound,
  isMarked,
  isRemovalLost,
  noteRemoval,
  readAnchor,
  releaseGatewayClaims,
  restoreAnchorData,
  type Anchor,
  type GatewayPlace,
} from './gateway-anchor';
import { dropPendingKey } from './gateway-certificates';
import { removeDefinitions } from './gateway-definitions';
import { releaseNamespace } from './gateway-namespace';
import { controlplaneOwn, observeGateway, observeKept, operatorMade, startsPods } from './gateway-objects';
import { dropEarlier, nameOf, readEarlier, restoreEarlier } from './gateway-record';
import { awaitGone, findRemains, isLeaving } from './gateway-remains';
import { inParallel } from './in-parallel';
import { listShared } from './managed';
import { removePeer } from './remove-peer';

/** Grace period of the pods (30 s by default) with room to spare. */
const PODS_GONE_TIMEOUT_MS = 90_000;
/** How long the operator may take over its finalizer before we do its work. */
const INSTANCE_TIMEOUT_MS = 30_000;

/** Takes every Import, Export and policy of the fabric away, with what ClusterLink made for them. */
export type ReleaseConnections = () => Promise<void>;

/** See `Steps.releaseGateway`. */
export async function releaseGateway(
  place: GatewayPlace,
  claimant: Claimant,
  scope: ReleaseScope,
  releaseConnections: ReleaseConnections,
): Promise<Change> {
  const matches = (claim: Claim<unknown>): boolean => scope === 'all' || (claim.id === claimant.id && claim.by === claimant.by);
  const run = scope === 'run' ? claimant.run : undefined;
  const anchor = await readAnchor(place);
  const restored =
    anchor !== undefined && scope === 'run' && isAppliedBy(anchor, claimant) && (await putEarlierBack(place, claimant, anchor));
  const released = await releaseGatewayAndNamespaces(place, claimant, {
    scope,
    matches,
    run,
    unclaimed: scope === 'all',
    releaseConnections,
  });
  // What is left of a peer that leaves would be nobody's.
  if (scope === 'all') await awaitGone(place, await findRemains(place));
  return { changed: restored || released.changed, note: [restored ? 'put back as it was' : released.note, ...released.stays].join('; ') };
}

/**
 * Finishes a removal that was interrupted, so that the peer can be claimed again.
 * @returns whether there was one that is nobody's any more
 */
export async function finishRemoval(place: GatewayPlace, claimant: Claimant, releaseConnections: ReleaseConnections): Promise<boolean> {
  const anchor = await readAnchor(place);
  if (anchor === undefined || !isRemovalLost(anchor, claimant)) return false;
  // Nobody could claim it since, so these are the claims that it was removed from.
  const ids = gatewayClaims(anchor).map(({ id }) => id);
  const matches = ({ id }: Claim<unknown>): boolean => ids.includes(id);
  await releaseGatewayAndNamespaces(place, claimant, { scope: 'claim', matches, run: undefined, unclaimed: true, releaseConnections });
  return true;
}

interface GatewayRelease {
  readonly scope: ReleaseScope;
  readonly matches: (claim: Claim<unknown>) => boolean;
  readonly run: string | undefined;
  /** Whether a gateway goes of which all claims are lost. */
  readonly unclaimed: boolean;
  readonly releaseConnections: ReleaseConnections;
}

async function releaseGatewayAndNamespaces(
  place: GatewayPlace,
  claimant: Claimant,
  { scope, matches, run, unclaimed, releaseConnections }: GatewayRelease,
): Promise<{ readonly changed: boolean; readonly note: string; readonly stays: readonly string[] }> {
  const all = scope === 'all';
  const outcome = { leftAsFound: false };
  const beforeDelete = async (anchor: Anchor): Promise<void> => {
    outcome.leftAsFound = scope === 'run' && isFound(anchor);
    if (outcome.leftAsFound) await leaveAsFound(place, claimant);
    else await removeGateway(place, claimant, { anchor, isLost: unclaimed && readableClaims(anchor).length === 0, releaseConnections });
  };
  const released = await releaseGatewayClaims(place, { matches, run, unclaimed, beforeDelete });
  const { leftAsFound } = outcome;
  const lost = all && !released.removed && (await removeLost(place, claimant, releaseConnections));
  const removed = lost || (released.removed && !leftAsFound);
  // Whatever still stands belongs to other claims: only this claim's own remains are cleared away.
  const dropped = removed ? [] : await inParallel([dropEarlier, dropPendingKey], (drop) => drop(place, claimant, run));
  const namespaces = [];
  for (const namespace of [OPERATOR_NAMESPACE, place.namespace]) {
    if (all) await claimLostNamespace(place, claimant, namespace);
    if (leftAsFound && (await isLastClaim(place, namespace, matches))) continue;
    namespaces.push(await releaseNamespace(place, namespace, matches, run));
  }
  const note = removed ? 'removed' : leftAsFound ? 'left as it was found' : `claim taken back; ${released.remaining.length} left`;
  return {
    changed: lost || released.changed || dropped.includes(true) || namespaces.some(({ changed }) => changed),
    note: lost || released.changed ? note : 'nothing of this run stood',
    stays: namespaces.flatMap(({ stays }) => stays ?? []),
  };
}

/** Removes what stands of a gateway whose anchor is gone, or going: somebody deleted it, or its namespace. Says whether anything did. */
async function removeLost(place: GatewayPlace, claimant: Claimant, releaseConnections: ReleaseConnections): Promise<boolean> {
  const anchor = await readAnchor(place);
  if (anchor !== undefined && !isLeaving(anchor)) return false;
  const stands = (await findRemains(place)).some(({ kind }) => kind !== 'Namespace');
  if (!stands) return removeDefinitions(place);
  await removeGateway(place, claimant, { anchor, isLost: true, releaseConnections });
  return true;
}

/** Gives back a gateway that stood before anybody claimed it, as this run found it. */
async function leaveAsFound(place: GatewayPlace, claimant: Claimant): Promise<void> {
  const earlier = await readEarlier(place, claimant);
  if (earlier !== undefined) await restoreEarlier(place, earlier, false);
}

/** Whether a namespace of ours would go with these claims. */
async function isLastClaim({ cluster, fabric, signal }: GatewayPlace, name: string, matches: GatewayRelease['matches']): Promise<boolean> {
  const namespace = await cluster.get<KubeObject>({ apiVersion: 'v1', kind: 'Namespace', name }, signal);
  return namespace !== undefined && isMarked(namespace, fabric) && readClaims(namespace).every(matches);
}

/** Claims a namespace of ours that has lost its claims, so that it is released like any other. */
async function claimLostNamespace({ cluster, fabric, signal }: GatewayPlace, claimant: Claimant, name: string): Promise<void> {
  const { id, by, run } = claimant;
  await rewriteClaims<object>(cluster, {
    ref: { apiVersion: 'v1', kind: 'Namespace', name },
    fabric,
    rewrite: (claims) => (claims.length > 0 ? claims : [{ id, by, run, need: {} }]),
    unclaimed: true,
    compose: () => ({}),
    signal,
  });
}

/** Puts back what this run found, where a claim outlasts this run's and nobody has come to rely on what this run made of the gateway. */
async function putEarlierBack(place: GatewayPlace, claimant: Claimant, anchor: Anchor): Promise<boolean> {
  const lasting = gatewayClaims(anchor).filter(
    ({ id, run, earlier }) => id !== claimant.id || run !== claimant.run || earlier !== undefined,
  );
  const earlier = lasting.length === 0 ? undefined : await readEarlier(place, claimant);
  if (earlier === undefined) return false;
  const applied = anchor.data?.options;
  const content = lasting.filter(({ id, need }) => id !== claimant.id && need.options === applied);
  // With the options unchanged, a claim that was there already got on with the earlier gateway.
  const wasThere = (claim: Claim<unknown>): boolean => earlier.anchor.options === applied && earlier.claims.includes(nameOf(claim));
  if (!content.every(wasThere)) return false;
  // What came may be what such a claim was missing.
  await restoreEarlier(place, earlier, content.length > 0);
  await restoreAnchorData(place, earlier.anchor);
  return true;
}

interface GatewayRemoval {
  readonly anchor: Anchor | undefined;
  /** Whether the anchor or the claims on it were lost, and maybe what it noted with them. */
  readonly isLost: boolean;
  readonly releaseConnections: ReleaseConnections;
}

/** Removes all that we made for the gateway but its anchor and namespace. Goes on wherever an earlier try stopped. */
async function removeGateway(
  place: GatewayPlace,
  claimant: Claimant,
  { anchor, isLost, releaseConnections }: GatewayRemoval,
): Promise<void> {
  if (anchor !== undefined) await noteRemoval(place, claimant, anchor);
  tellProgress('imports, exports, peers and policies');
  await releaseConnections();
  await removePeers(place);
  const standing = [...(await observeGateway(place)), ...(isLost && anchor?.data?.mode === undefined ? await observeOperator(place) : [])];
  tellProgress('control plane and data plane');
  await removeInstances(
    place,
    standing.filter(({ kind }) => kind === 'Instance'),
  );
  await removeObjects(
    place,
    standing.filter((object) => object.kind !== 'Instance' && startsPods(object)),
  );
  const kept = await observeKept(place);
  const rest = [...standing.filter((object) => !startsPods(object)), ...kept];
  // Where the anchor is lost, only our marks tell that the pods here, and what the control plane has made without marks, are this
  // gateway's. So they go before the last of what is marked.
  if (anchor !== undefined || [...standing, ...kept].some(({ metadata }) => metadata.namespace === place.namespace)) {
    await awaitPodsGone(place);
    await removeByName(place, controlplaneOwn(place.namespace));
  }
  tellProgress('Secrets, permissions and Services');
  await removeObjects(place, rest);
  // Finalizers may hold what was deleted. A definition would stay with the last object of it, and the anchor tells of all of them.
  await awaitGone(
    place,
    (await findRemains(place)).filter((object) => isLeaving(object) && !isFrame(object)),
  );
  tellProgress('definitions');
  await removeDefinitions(place);
}

/** What goes after all the rest. */
function isFrame({ kind, metadata }: KubeObject): boolean {
  return kind === 'Namespace' || (kind === 'ConfigMap' && metadata.name === ANCHOR);
}

/** The operator and its Instances, where nothing notes whether there is one. */
async function observeOperator(place: GatewayPlace): Promise<readonly KubeObject[]> {
  const kinds = OPERATOR_KINDS.map(([, kind]) => kind);
  return (await findRemains(place)).filter(
    ({ kind, metadata: { namespace } }) =>
      kind === 'Instance' || (namespace === OPERATOR_NAMESPACE && namespace !== place.namespace && kinds.includes(kind)),
  );
}

/** Peers go one by one with the control plane still there, so that none of their heartbeats is left armed. */
async function removePeers({ cluster, fabric, namespace, signal }: GatewayPlace): Promise<void> {
  const peers = await listShared(cluster, PEER, fabric, namespace);
  await inParallel(peers, (peer) => removePeer(cluster, refOf(peer), signal));
}

/** The operator takes the gateway down with its Instance. Where it does not run, its finalizer would hold the Instance for ever. */
async function removeInstances(place: GatewayPlace, instances: readonly KubeObject[]): Promise<void> {
  const { cluster, namespace, signal } = place;
  for (const instance of instances) {
    const ref = refOf(instance);
    await cluster.delete(ref, { uid: instance.metadata.uid, signal });
    try {
      await watchObjectUntil(cluster, {
        ref,
        until: (object) => (object === undefined ? true : undefined),
        describe: () => `${describeRef(ref)} waits for its finalizers`,
        timeoutMs: INSTANCE_TIMEOUT_MS,
        signal,
        onProgress: tellProgress,
      });
    } catch (error) {
      if (!isFabricError(error, 'unready')) throw error;
      await dropFinalizer(place, ref);
    }
  }
  if (instances.length === 0) return;
  await removeByName(place, operatorMade(namespace));
}

async function dropFinalizer({ cluster, signal }: GatewayPlace, ref: ObjectRef): Promise<void> {
  const instance = await cluster.get<KubeObject>(ref, signal);
  if (instance === undefined) return;
  const { resourceVersion, finalizers = [] } = instance.metadata;
  try {
    await cluster.patch(
      ref,
      { metadata: { resourceVersion, finalizers: finalizers.filter((finalizer) => finalizer !== INSTANCE_FINALIZER) } },
      signal,
    );
  } catch (error) {
    if (!isObjectMissing(error)) throw error;
  }
}

/** Only then does nothing write the control plane's own Secret and Lease again. */
async function awaitPodsGone({ cluster, namespace, signal }: GatewayPlace): Promise<void> {
  await watchUntil(cluster, {
    query: { apiVersion: 'v1', kind: 'Pod', namespace, labelSelector: 'app in (cl-controlplane, cl-dataplane)' },
    until: (pods) => (pods.length === 0 ? true : undefined),
    describe: (pods) => `${pods.map(({ metadata }) => `pod ${metadata.name}`).join(', ')} still stopping`,
    timeoutMs: withinAttempt(PODS_GONE_TIMEOUT_MS),
    code: 'pending',
    signal,
    onProgress: tellProgress,
  });
}

async function removeObjects({ cluster, signal }: GatewayPlace, objects: readonly KubeObject[]): Promise<void> {
  await inParallel(objects, (object) => cluster.delete(refOf(object), { uid: object.metadata.uid, signal }));
}

async function removeByName({ cluster, signal }: GatewayPlace, refs: readonly ObjectRef[]): Promise<void> {
  await inParallel(refs, (ref) => cluster.delete(ref, { signal }));
}
