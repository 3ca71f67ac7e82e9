// What stands of a fabric on a peer, as digests: taken before and after a run, two inventories prove what it left behind.
import { OPERATOR_NAMESPACE } from '../src/clusterlink/resources';
import type { Steps } from '../src/contract/activities';
import { findMissingPermissions } from '../src/kubernetes/access';
import type { Cluster } from '../src/kubernetes/cluster';
import { OPERATOR_KINDS, takeInventory, type GatewayNamespaces } from '../src/kubernetes/inventory';
import { resourceOf } from '../src/kubernetes/resource-path';
import { signal } from './activity-context';
import type { ActivityDeps } from './deps';

/** `takeInventory`. */
export function inventoryActivities({ clusters }: ActivityDeps): Pick<Steps, 'takeInventory'> {
  return {
    async takeInventory({ fabric, peer }) {
      const cluster = clusters.cluster(peer);
      const namespaces = await namespacesToLookAt(cluster, peer.namespace, signal());
      return { entries: await takeInventory(cluster, { fabric, namespaces, signal: signal() }) };
    },
  };
}

/** Before a bootstrap nobody knows a gateway's mode. What a worker may not list in the operator's namespace, it cannot change there either. */
export async function namespacesToLookAt(cluster: Cluster, gateway: string, abort: AbortSignal): Promise<GatewayNamespaces> {
  const listing = OPERATOR_KINDS.map(([apiVersion, kind]) => {
    const { group, resource } = resourceOf({ apiVersion, kind });
    return { group, resource, verb: 'list', namespace: OPERATOR_NAMESPACE };
  });
  const missing = await findMissingPermissions(cluster, listing, abort);
  return missing.length > 0 || gateway === OPERATOR_NAMESPACE ? { gateway } : { gateway, operator: OPERATOR_NAMESPACE };
}
