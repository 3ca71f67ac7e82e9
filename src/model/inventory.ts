// The proof of a rollback: what stood on a cluster before a run, what stands after it, and the difference.
import type { InventoryEntry } from './claimant';

/** Why an object counts as residue, in words. */
export interface Difference {
  readonly object: string;
  readonly why: string;
}

/**
 * What differs between two inventories of a peer, apart from what others did meanwhile: an object that is new or
 * changed and claimed only by others is theirs.
 * @param claim the id of the run's own claim
 */
export function differences(before: readonly InventoryEntry[], after: readonly InventoryEntry[], claim: string): Difference[] {
  const earlier = new Map(before.map((entry) => [entry.object, entry]));
  const later = new Map(after.map((entry) => [entry.object, entry]));
  // The objects of a gateway carry no claim of their own: they belong to whoever claims the gateway.
  const gatewayOfOthers = after.some((entry) => entry.claims.length > 0 && isGatewayClaim(entry) && !entry.claims.includes(claim));
  const isTheirs = (entry: InventoryEntry): boolean => (entry.claims.length === 0 ? gatewayOfOthers : !entry.claims.includes(claim));
  const found: Difference[] = [];
  for (const entry of after) {
    const known = earlier.get(entry.object);
    if (known?.digest === entry.digest || isTheirs(entry)) continue;
    found.push({
      object: entry.object,
      why: known === undefined ? 'created by this run and still there' : 'not as it was before this run',
    });
  }
  for (const entry of before) {
    if (!later.has(entry.object)) found.push({ object: entry.object, why: 'was there before this run and is gone' });
  }
  return found;
}

function isGatewayClaim(entry: InventoryEntry): boolean {
  return /^ConfigMap [^/]+\/skyfabric-gateway$/.test(entry.object);
}
