// Taking claims off a gateway. Undoing a run puts an earlier gateway back; with the last claim everything goes, in the order that
// ClusterLink survives: its resources first, while the control plane can still clean up after them, then the pods, then the rest.
import { CONTROLPLANE_OWN } from '../src/clusterlink/gateway-secrets';
import { INSTANCE_FINALIZER, OPERATOR_NAMESPACE } from '../src/clusterlink/resources';
import { PEER } from '../src/clusterlink/shared-kind';
import type { Change, ReleaseScope } from '../src/contract/activities';
import { isFabricError } from '../src/errors/fabric-error';
import type { Claim } from '../src/kubernetes/claim-marks';
import { describeRef, refOf, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import { isObjectMissing } from '../src/kubernetes/kubernetes-errors';
import { watchObjectUntil, watchUntil } from '../src/kubernetes/watch-until';
import type { Claimant } from '../src/model/claimant';
import { tellProgress } from './activity-context';
import {
  gatewayClaims,
  isAppliedBy,
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
import { observeGateway, startsPods } from './gateway-objects';
import { dropEarlier, readEarlier, restoreEarlier } from './gateway-record';
import { inParallel } from './in-parallel';
import { listShared } from './managed';
import { removePeer } from './remove-peer';

/** Grace period of the pods (30 s by default) with room to spare. */
const PODS_GONE_TIMEOUT_MS = 90_000;
/** How long the operator may take over its finalizer before we do its work. */
const INSTANCE_TIMEOUT_MS = 30_000;

const RBAC = 'rbac.authorization.k8s.io/v1';

/** See `Steps.releaseGateway`. `releaseConnections` takes every Import, Export and policy of the fabric away, with what ClusterLink made for them. */
export async function releaseGateway(
  place: GatewayPlace,
  claimant: Claimant,
  scope: ReleaseScope,
  releaseConnections: () => Promise<void>,
): Promise<Change> {
  const matches = (claim: Claim<unknown>): boolean => scope === 'all' || claim.id === claimant.id;
  const run = scope === 'run' ? claimant.run : undefined;
  const anchor = await readAnchor(place);
  let changed = false;
  let note = 'nothing of this run stood';
  if (anchor !== undefined) {
    if (scope === 'run' && isAppliedBy(anchor, claimant) && (await putEarlierBack(place, claimant, anchor))) {
      changed = true;
      note = 'put back as it was';
    }
    const released = await releaseGatewayClaims(place, { matches, run, beforeDelete: () => removeGateway(place, releaseConnections) });
    if (released.changed && !changed) note = released.removed ? 'removed' : `claim taken back; ${released.remaining.length} left`;
    changed ||= released.changed;
    // Whatever still stands belongs to other claims: only this claim's own remains are cleared away.
    if (!released.removed) {
      const dropped = await inParallel([dropEarlier, dropPendingKey], (drop) => drop(place, claimant, run));
      changed ||= dropped.includes(true);
    }
  }
  for (const namespace of [OPERATOR_NAMESPACE, place.namespace]) {
    const released = await releaseNamespace(place, namespace, matches, run);
    changed ||= released.changed;
    if (released.stays !== undefined) note = `${note}; ${released.stays}`;
  }
  return { changed, note };
}

/** Puts back what this run found, where a claim outlasts this run's and nobody has come to rely on what this run made of the gateway. */
async function putEarlierBack(place: GatewayPlace, claimant: Claimant, anchor: Anchor): Promise<boolean> {
  const lasting = gatewayClaims(anchor).filter(
    ({ id, run, earlier }) => id !== claimant.id || run !== claimant.run || earlier !== undefined,
  );
  const earlier = lasting.length === 0 ? undefined : await readEarlier(place, claimant);
  if (earlier === undefined) return false;
  const applied = anchor.data?.options;
  const reliedOn = earlier.anchor.options !== applied && lasting.some(({ id, need }) => id !== claimant.id && need.options === applied);
  if (reliedOn) return false;
  await restoreEarlier(place, earlier);
  await restoreAnchorData(place, earlier.anchor);
  return true;
}

/** Removes all that we made for the gateway but its anchor and namespace. Goes on wherever an earlier try stopped. */
async function removeGateway(place: GatewayPlace, releaseConnections: () => Promise<void>): Promise<void> {
  await noteRemoval(place);
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
  await removeObjects(
    place,
    standing.filter((object) => !startsPods(object)),
  );
  await removeByName(place, [
    { apiVersion: 'v1', kind: 'Secret', namespace: place.namespace, name: CONTROLPLANE_OWN.secret },
    { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace: place.namespace, name: CONTROLPLANE_OWN.lease },
  ]);
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
  // The names that the operator gives. Source: ClusterLink v0.4.1, pkg/operator/controller.
  await removeByName(place, [
    { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: 'cl-controlplane' },
    { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: 'cl-dataplane' },
    { apiVersion: 'v1', kind: 'Service', namespace, name: 'cl-controlplane' },
    { apiVersion: 'v1', kind: 'Service', namespace, name: 'clusterlink' },
    { apiVersion: 'v1', kind: 'ServiceAccount', namespace, name: 'cl-controlplane' },
    { apiVersion: RBAC, kind: 'ClusterRoleBinding', name: `${namespace}:cl-controlplane` },
    { apiVersion: RBAC, kind: 'ClusterRole', name: `${namespace}:cl-controlplane` },
  ]);
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
    timeoutMs: PODS_GONE_TIMEOUT_MS,
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
