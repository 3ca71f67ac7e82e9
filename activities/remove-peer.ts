// Deleting a Peer without harm. ClusterLink never ends the heartbeat of a deleted Peer; when that remote's reachability changes later,
// the control plane spins for ever. So its heartbeat is first led to where nothing will ever change, then the Peer is deleted.
import { setTimeout as delay } from 'node:timers/promises';
import { DEFUSED, isDefused, reachability } from '../src/clusterlink/compose-peering';
import { CONTROLPLANE } from '../src/clusterlink/manifest';
import type { PeerResource } from '../src/clusterlink/resources';
import type { Cluster } from '../src/kubernetes/cluster';
import { describeRef, refOf, type ObjectRef } from '../src/kubernetes/kube-object';
import { isObjectMissing, isResourceMissing } from '../src/kubernetes/kubernetes-errors';
import { retryConflicts } from '../src/kubernetes/retry-conflicts';
import { watchObjectUntil } from '../src/kubernetes/watch-until';
import { isControlplaneLeading } from './controlplane-view';
import { DEFUSE_SILENT_MS, DEFUSE_TIMEOUT_MS } from './management-timeouts';

/**
 * Makes a Peer harmless: leads its heartbeat to an address that never answers, and waits until the control plane has seen that.
 * Does so only if nobody changed the Peer since it was read, so that nobody's endpoint is lost.
 * @throws unavailable when somebody did (`isConflict`); unready when the control plane does not act on Peers any more
 */
export async function defusePeer(cluster: Cluster, peer: PeerResource, signal: AbortSignal): Promise<void> {
  const ref = refOf(peer);
  const { namespace = '', name } = peer.metadata;
  if (!isDefused(peer)) {
    await cluster.patch(ref, { metadata: { resourceVersion: peer.metadata.resourceVersion }, spec: { gateways: [DEFUSED] } }, signal);
  }
  // No control plane that leads, no heartbeat; the next one begins with the Peers that are there then.
  if (!(await isControlplaneLeading(cluster, namespace, signal))) return;
  // Where no True turns to False nothing tells that the control plane has seen the change, and a True may still be on its way.
  if (reachability(peer)?.status !== 'True') await delay(DEFUSE_SILENT_MS, undefined, { signal });
  await watchObjectUntil<PeerResource, true>(cluster, {
    ref,
    until: (current) => (current === undefined || reachability(current)?.status !== 'True' ? true : undefined),
    describe: () => `${describeRef(ref)} still counts as reachable although it leads nowhere: the statuses of all Peers are frozen`,
    timeoutMs: DEFUSE_TIMEOUT_MS,
    hint: `Somebody deleted a Peer plainly before. Restart the control plane: \`kubectl --context ${cluster.context} -n ${namespace} rollout restart deployment ${CONTROLPLANE}\`; ${name} is then removed by the next attempt.`,
    signal,
  });
}

/**
 * Removes a Peer whatever claims it; `false` when there was none. For the end of a whole gateway; `releasePeerings` is for links.
 * @throws unavailable when others keep changing it; and as defusePeer does
 */
export async function removePeer(cluster: Cluster, ref: ObjectRef, signal: AbortSignal): Promise<boolean> {
  let found = false;
  return retryConflicts(ref, signal, async () => {
    try {
      const peer = await cluster.get<PeerResource>(ref, signal);
      if (peer === undefined) return found;
      found = true;
      await defusePeer(cluster, peer, signal);
      const defused = await cluster.get<PeerResource>(ref, signal);
      if (defused === undefined) return true;
      const { uid, resourceVersion } = defused.metadata;
      return isDefused(defused) ? await cluster.delete(ref, { uid, resourceVersion, signal }) : 'again';
    } catch (error) {
      if (isResourceMissing(error)) return false;
      if (isObjectMissing(error)) return 'again';
      throw error;
    }
  });
}
