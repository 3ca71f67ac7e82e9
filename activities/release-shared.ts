// Taking claims back from all objects of a kind: whole, or only as far as they concern some remote peers.
import { POLICIES, type SharedKind } from '../src/clusterlink/shared-kind';
import type { PolicySide } from '../src/clusterlink/compose-policy';
import type { Change, ReleaseScope, Selection } from '../src/contract/activities';
import { claimsToJudge, needOf, readableClaims, type Claim } from '../src/kubernetes/claim-marks';
import { earlierOf, releaseClaims, rewriteClaims } from '../src/kubernetes/claims';
import type { Cluster } from '../src/kubernetes/cluster';
import { refOf, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import type { Claimant } from '../src/model/claimant';
import { signal } from './activity-context';
import { inParallel } from './in-parallel';
import { isSelected, listShared } from './managed';

/** Which claims are taken back, and from where. */
export interface Release<N> {
  readonly claimant: Claimant;
  readonly scope: ReleaseScope;
  readonly selection: Selection;
  /** Where to look; default everywhere. */
  readonly namespace?: string | undefined;
  /** Limits it further. */
  readonly concerns?: (need: N) => boolean;
  readonly beforeDelete?: (object: KubeObject) => Promise<void>;
}

export interface Released {
  readonly changed: boolean;
  /** The objects that went with their last claim. */
  readonly removed: readonly ObjectRef[];
}

/**
 * Takes claims back from every object of a kind. A claim that still needs other remotes than the selected ones is narrowed, and
 * keeps what it was for the run that may want it back; an object goes with its last claim. Where everything goes, what has lost its
 * claims does, too, and what has claims that cannot be read.
 * @throws conflict, elsewhere, for claims that cannot be read, on what it concerns
 */
export async function releaseShared<N>(cluster: Cluster, kind: SharedKind<N>, release: Release<N>): Promise<Released> {
  const { claimant, namespace } = release;
  const objects = (await listShared(cluster, kind, claimant.fabric, namespace)).filter((object) => {
    const claims = isEverything(release) ? readableClaims(object, kind.isNeed) : claimsToJudge<N>(object);
    return claims.length === 0 ? isEverything(release) : claims.some((claim) => isReleased(kind, refOf(object), claim, release));
  });
  const outcomes = await inParallel(objects, (object) => releaseOne(cluster, kind, refOf(object), release));
  return {
    changed: outcomes.some(({ changed }) => changed),
    removed: objects.flatMap((object, index) => (outcomes[index]?.removed === true ? [refOf(object)] : [])),
  };
}

/** Imports with their egress policies, or Exports with their ingress policies. */
export async function releaseConnection<N>(
  cluster: Cluster,
  kind: SharedKind<N>,
  side: PolicySide,
  release: Omit<Release<N>, 'namespace' | 'concerns' | 'beforeDelete'>,
): Promise<Released> {
  const namespace = release.selection.service?.namespace;
  const { changed, removed } = await releaseShared(cluster, kind, { ...release, namespace });
  const policies = await inParallel(POLICIES, (policy) =>
    releaseShared(cluster, policy, { ...release, namespace, concerns: (need) => need.side === side }),
  );
  return { changed: changed || policies.some((policy) => policy.changed), removed };
}

/** What a release did, for the step tree. */
export function releaseNote({ changed, removed }: Released): Pick<Change, 'changed' | 'note'> {
  return { changed, note: removed.length > 0 ? 'removed' : changed ? 'claims taken back' : 'nothing to take back' };
}

async function releaseOne<N>(
  cluster: Cluster,
  kind: SharedKind<N>,
  ref: ObjectRef,
  release: Release<N>,
): Promise<{ readonly changed: boolean; readonly removed: boolean }> {
  const { claimant, scope, beforeDelete } = release;
  const shared = { ref, fabric: claimant.fabric, compose: kind.compose(ref), isNeed: kind.isNeed, signal: signal() };
  const { remotes } = release.selection;
  const narrows = remotes !== undefined && scope !== 'run';
  const left = (claim: Claim<N>): string[] =>
    narrows ? kind.remotesOf(ref, claim.need).filter((remote) => !remotes.includes(remote)) : [];
  const rewrite = (claims: readonly Claim<N>[]): Claim<N>[] =>
    claims.map((claim) =>
      isReleased(kind, ref, claim, release) && left(claim).length > 0 ? narrow(kind, claim, left(claim), claimant) : claim,
    );
  const narrowed = narrows && (await rewriteClaims<N>(cluster, { ...shared, rewrite }));
  const { changed, removed } = await releaseClaims<N>(cluster, {
    ...shared,
    matches: (claim) => isReleased(kind, ref, claim, release) && left(claim).length === 0,
    run: scope === 'run' ? claimant.run : undefined,
    unclaimed: isEverything(release),
    beforeDelete,
  });
  return { changed: narrowed || changed, removed };
}

/** Whether all that the fabric has on the cluster goes, whatever it is about. */
function isEverything({ scope, selection }: Pick<Release<never>, 'scope' | 'selection'>): boolean {
  const { service, remotes, claims } = selection;
  return scope === 'all' && service === undefined && remotes === undefined && claims === undefined;
}

/** A claim for fewer remotes: in the name of its own workflow still, and noted as changed by whoever takes the others. */
function narrow<N>(kind: SharedKind<N>, claim: Claim<N>, remotes: readonly string[], { by: taker, run }: Claimant): Claim<N> {
  const { id, by } = claim;
  const earlier = claim.run === run ? claim.earlier : earlierOf(claim);
  return {
    id,
    by,
    run,
    ...(taker === by ? {} : { changedBy: taker }),
    need: kind.narrowed(claim.need, remotes),
    ...(earlier === undefined ? {} : { earlier }),
  };
}

/** Whether a release takes a claim back. @throws conflict for one that it may concern and that cannot be read */
export function isReleased<N>(
  kind: SharedKind<N>,
  ref: ObjectRef,
  claim: Claim<N>,
  { claimant, scope, selection, concerns }: Pick<Release<N>, 'claimant' | 'scope' | 'selection' | 'concerns'>,
): boolean {
  const isOwn = claim.id === claimant.id;
  // A claim of one's own that cannot be read is not passed over.
  if (isOwn && scope !== 'all') needOf(ref, claim, kind.isNeed);
  const isMeant = (): boolean => {
    switch (scope) {
      case 'run':
        // By its workflow as well: anybody may have written a claim of the same id by hand.
        return isOwn && claim.by === claimant.by && (claim.run === claimant.run || claim.earlier?.run === claimant.run);
      case 'claim':
        return selection.claims !== undefined || isOwn;
      case 'all':
        return true;
    }
  };
  if (!isMeant() || !isSelected(kind, ref, claim, selection)) return false;
  return concerns === undefined || concerns(needOf(ref, claim, kind.isNeed));
}
