// Taking claims off a gateway. Undoing a run puts an earlier gateway back; with the last claim everything goes, in the order that
// ClusterLink survives: its resources first, while the control plane can still clean up after them, then the pods, then the rest.
import { INSTANCE_FINALIZER, OPERATOR_NAMESPACE } from '../src/clusterlink/resources';
import { PEER } from '../src/clusterlink/shared-kind';
import type { Change, ReleaseScope } from '../src/contract/activities';
import { isFabricError } from '../src/errors/fabric-error';
import type { Claim } from '../src/kubernetes/claim-marks';
import { describeRef, refOf, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import { isObjectMissing } from '../src/kubernetes/kubernetes-errors';
import { watchObjectUntil, watchUntil } from '../src/kubernetes/watch-until';
import type { Claimant } from '../src/model/claimant';
import { tellProgress, withinAttempt } from './activity-context';
import {
  gatewayClaims,
  isAppliedBy,
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
  const matches = (claim: Claim<unknown>): boolean => scope === 'all' || claim.id === claimant.id;
  const run = scope === 'run' ? claimant.run : undefined;
  const anchor = await readAnchor(place);
  const restored =
    anchor !== undefined && scope === 'run' && isAppliedBy(anchor, claimant) && (await putEarlierBack(place, claimant, anchor));
  const released = await releaseGatewayAndNamespaces(place, claimant, matches, run, releaseConnections);
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
  await releaseGatewayAndNamespaces(place, claimant, ({ id }) => ids.includes(id), undefined, releaseConnections);
  return true;
}

async function releaseGatewayAndNamespaces(
  place: GatewayPlace,
  claimant: Claimant,
  matches: (claim: Claim<unknown>) => boolean,
  run: string | undefined,
  releaseConnections: ReleaseConnections,
): Promise<{ readonly changed: boolean; readonly note: string; readonly stays: readonly string[] }> {
  const beforeDelete = (anchor: KubeObject): Promise<void> => removeGateway(place, claimant, anchor, releaseConnections);
  const released = await releaseGatewayClaims(place, { matches, run, beforeDelete });
  // Whatever still stands belongs to other claims: only this claim's own remains are cleared away.
  const dropped = released.removed ? [] : await inParallel([dropEarlier, dropPendingKey], (drop) => drop(place, claimant, run));
  const namespaces = [];
  for (const namespace of [OPERATOR_NAMESPACE, place.namespace]) namespaces.push(await releaseNamespace(place, namespace, matches, run));
  const note = released.removed ? 'removed' : `claim taken back; ${released.remaining.length} left`;
  return {
    changed: released.changed || dropped.includes(true) || namespaces.some(({ changed }) => changed),
    note: released.changed ? note : 'nothing of this run stood',
    stays: namespaces.flatMap(({ stays }) => stays ?? []),
  };
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

/** Removes all that we made for the gateway but its anchor and namespace. Goes on wherever an earlier try stopped. */
async function removeGateway(
  place: GatewayPlace,
  claimant: Claimant,
  anchor: KubeObject,
  releaseConnections: ReleaseConnections,
): Promise<void> {
  await noteRemoval(place, claimant, anchor);
  tellProgress('imports, exports, peers and policies');
  await releaseConnections();
  await removePeers(place);
  const standing = await observeGateway(place);
  tellProgress('control plane and data plane');
  await removeInstances(
    place,
    standing.filter(({ kind }) => kind === 'Instance'),
  );
  await removeObjects(
    place,
    standing.filter((object) => object.kind !== 'Instance' && startsPods(object)),
  );
  await awaitPodsGone(place);
  tellProgress('Secrets, permissions and Services');
  await removeObjects(place, [...standing.filter((object) => !startsPods(object)), ...(await observeKept(place))]);
  await removeByName(place, controlplaneOwn(place.namespace));
  tellProgress('definitions');
  await removeDefinitions(place);
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
