// The proof of a rollback: what stood on a cluster before a run, what stands after it, and the difference.
import type { InventoryEntry } from './claimant';

/** An object that is not as it was, and why it counts as residue, in words. */
export interface Difference {
  readonly object: string;
  readonly why: string;
}

/** Kinds whose objects always carry a claim of their own, or belong to one run. */
const CLAIMED_KINDS = ['Import', 'Export', 'Peer', 'AccessPolicy', 'PrivilegedAccessPolicy', 'Job', 'Pod'];

/**
 * What differs between two inventories of a peer, apart from what others did meanwhile: an object that only they claim is theirs, unless
 * this run has changed it all the same and it still is so.
 * @param own id of the run's own claim
 * @param taken ids of the claims that it took away
 * @param objects that it took away whoever claims them
 */
export function differences(
  before: readonly InventoryEntry[],
  after: readonly InventoryEntry[],
  own: string,
  taken: ReadonlySet<string>,
  objects: readonly string[] = [],
): Difference[] {
  const claims = new Set([own, ...taken]);
  const earlier = new Map(before.map((entry) => [entry.object, entry]));
  const later = new Map(after.map((entry) => [entry.object, entry]));
  // An object that was taken from whoever claimed it then.
  const isTaken = ({ object }: InventoryEntry, claim: string): boolean =>
    objects.includes(object) && earlier.get(object)?.claims.includes(claim) === true;
  const isClaimOfOurs = (entry: InventoryEntry, claim: string): boolean => claims.has(claim) || isTaken(entry, claim);
  const ours = (entry: InventoryEntry): string => entry.claims.filter((claim) => isClaimOfOurs(entry, claim)).join();
  // A shared object that others have claimed or left meanwhile changes by that.
  const others = (entry: InventoryEntry): string => entry.claims.filter((claim) => !isClaimOfOurs(entry, claim)).join();
  const isChanged = ({ changedBy }: InventoryEntry): boolean => changedBy === own;
  const isOurs = (entry: InventoryEntry): boolean => isChanged(entry) || entry.claims.some((claim) => isClaimOfOurs(entry, claim));
  // The objects of a gateway carry no claim of their own: they belong to whoever claims the gateway.
  const anchorIn = (entries: readonly InventoryEntry[]): InventoryEntry | undefined =>
    entries.find(({ object }) => /^ConfigMap [^/]+\/skyfabric-gateway$/.test(object));
  const isTheirs = (entry: InventoryEntry, gateway: InventoryEntry | undefined): boolean => {
    if (entry.claims.length > 0) return !isOurs(entry);
    const gatewayIsTheirs = gateway !== undefined && gateway.claims.length > 0 && !isOurs(gateway);
    return gatewayIsTheirs && !CLAIMED_KINDS.includes(entry.object.split(' ')[0] ?? '');
  };
  const found: Difference[] = [];
  const anchor = anchorIn(after);
  for (const entry of after) {
    const known = earlier.get(entry.object);
    if (known?.digest === entry.digest || isTheirs(entry, anchor)) continue;
    // Under a claim that it took away, the run puts back what there was, and makes nothing new: that is the doing of who goes on with it.
    if (known === undefined && entry.claims.length > 0 && !entry.claims.includes(own)) continue;
    if (known !== undefined && !isChanged(entry) && others(known) !== others(entry) && ours(known) === ours(entry)) continue;
    found.push({
      object: entry.object,
      why: known === undefined ? 'created by this run and still there' : 'not as it was before this run',
    });
  }
  // Where the gateway itself is gone, those took it away who had it before.
  const lastAnchor = anchor ?? anchorIn(before);
  for (const entry of before) {
    if (!later.has(entry.object) && !isTheirs(entry, lastAnchor))
      found.push({ object: entry.object, why: 'was there before this run and is gone' });
  }
  return found;
}
