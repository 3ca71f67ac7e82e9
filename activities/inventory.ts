// What stands of a fabric on a peer, as digests: taken before and after a run, two inventories prove what it left behind.
import type { Steps } from '../src/contract/activities';
import { takeInventory } from '../src/kubernetes/inventory';
import { signal } from './activity-context';
import type { ActivityDeps } from './deps';
import { namespacesToLookAt } from './gateway-objects';

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
