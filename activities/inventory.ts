// What stands of a fabric on a peer, as digests: taken before and after a run, two inventories prove what it left behind.
import type { Steps } from '../src/contract/activities';
import { takeInventory } from '../src/kubernetes/inventory';
import { signal } from './activity-context';
import type { ActivityDeps } from './deps';

/** `takeInventory`. */
export function inventoryActivities({ clusters }: ActivityDeps): Pick<Steps, 'takeInventory'> {
  return {
    async takeInventory({ fabric, peer }) {
      const found = await takeInventory(clusters.cluster(peer), { fabric, signal: signal() });
      return { entries: found.map(({ object, digest, claims }) => ({ object, digest, claims: claims.map((claim) => claim.id) })) };
    },
  };
}
