// Ownership of shared objects by claims. An object that several runs may need carries one annotation for each claim; its
// spec is computed from all of them, and it goes (or gets its earlier state back) with the last one. The cluster holds the
// truth and `resourceVersion` guards it, so any worker can begin, go on or undo at any time.
import { FabricError, isFabricError } from '../errors/fabric-error';
import type { Claim, Composed, IsNeed } from './claim-marks';
import {
  composedObject,
  FABRIC_LABEL,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  ORIGIN_LABEL,
  readableClaims,
  readClaims,
  restoredObject,
} from './claim-marks';
import type { Cluster } from './cluster';
import { digestOf, sameJson } from './digest';
import type { KubeObject, ObjectRef } from './kube-object';
import { describeRef } from './kube-object';
import { isObjectMissing, isResourceMissing } from './kubernetes-errors';
import { retryConflicts } from './retry-conflicts';

/**
 * Computes an object from the sum of its claims, of which there is at least one. Pure: it is also asked what earlier claims gave.
 * It may take over from `current` what a controller set. Fields of maps that it does not name stay as they are; lists are its own.
 * @throws conflict when the claims contradict each other
 */
export type Compose<N> = (claims: readonly Claim<N>[], current: KubeObject | undefined) => Composed;

export interface EnsureClaimOptions<N> {
  readonly ref: ObjectRef;
  readonly fabric: string;
  readonly claim: Omit<Claim<N>, 'earlier' | 'changedBy'>;
  /** Takes over an object that exists without our label, instead of a `conflict`. Never done to a Secret. */
  readonly adopt?: boolean | undefined;
  readonly compose: Compose<N>;
  /** What a claim on such an object can need; default: whatever is written there. */
  readonly isNeed?: IsNeed<N> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface EnsureClaimResult {
  readonly object: KubeObject;
  readonly created: boolean;
  readonly changed: boolean;
}

export interface ReleaseClaimsOptions<N> {
  readonly ref: ObjectRef;
  readonly fabric: string;
  readonly matches: (claim: Claim<N>) => boolean;
  /**
   * Undoes only what this run set: its claims go, or get back the need they had before. A claim of another workflow's, from which it has
   * taken something, goes: what that stood on may be gone as well. Absent: matching claims go, whoever set them.
   */
  readonly run?: string | undefined;
  /** Whether an object with our labels goes too whose claims are all lost, or cannot be read; default no: whose it is cannot be told. */
  readonly unclaimed?: boolean | undefined;
  readonly compose: Compose<N>;
  /** As for `ensureClaim`. */
  readonly isNeed?: IsNeed<N> | undefined;
  /** What must happen before the object may go; idempotent, as it is called again when the object changes meanwhile. */
  readonly beforeDelete?: ((object: KubeObject) => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ReleaseClaimsResult<N> {
  readonly changed: boolean;
  /** Whether this call deleted the object. Its finalizers are not waited for. */
  readonly removed: boolean;
  readonly remaining: readonly Claim<N>[];
}

export interface RewriteClaimsOptions<N> {
  readonly ref: ObjectRef;
  readonly fabric: string;
  /** The claims as they should be, from those that are there; at least one, or the object is left as it is. */
  readonly rewrite: (claims: readonly Claim<N>[]) => readonly Claim<N>[];
  readonly compose: Compose<N>;
  /** As for `ensureClaim`. */
  readonly isNeed?: IsNeed<N> | undefined;
  /** Whether claims that cannot be read count as lost; default no. */
  readonly unclaimed?: boolean | undefined;
  /** What to create when there is no such object; without it what is absent, or not this fabric's, is left alone. */
  readonly create?: (() => KubeObject) | undefined;
  /** Whether an object without our labels may be taken over; default no. */
  readonly adopt?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes sure that the object exists, carries this claim and is as its claims want it. A claim that has the same need already is
 * left to the run that set it; one with another need is changed, and keeps the one before for `releaseClaims` to bring back.
 * @throws conflict when the object is somebody else's, or another fabric's, or somebody mangled a claim; pending while it is being deleted; unavailable when
 *   others keep changing it; and as `compose` and the cluster do
 */
export async function ensureClaim<N>(cluster: Cluster, options: EnsureClaimOptions<N>): Promise<EnsureClaimResult> {
  const { ref, fabric, claim, adopt = false, compose, isNeed, signal } = options;
  return retryConflicts(ref, signal, async () => {
    const current = await cluster.get<KubeObject>(ref, signal);
    if (current === undefined) {
      const object = composedObject({ ref, fabric, claims: [claim], composed: compose([claim], undefined) });
      return { object: await cluster.create(object, signal), created: true, changed: true };
    }
    assertUsable(current, ref, fabric, adopt);
    const before = isOurs(current, fabric) ? readClaims<N>(current, isNeed) : [];
    const object = recomposed(compose, { ref, fabric, before, claims: withClaim(before, claim), current });
    if (sameJson(object, current)) return { object: current, created: false, changed: false };
    const replaced = await replaceIfThere(cluster, object, signal);
    if (replaced === undefined) return 'again';
    // What the server normalises away again (an empty list, say) is no change.
    return { object: replaced, created: false, changed: replaced.metadata.resourceVersion !== current.metadata.resourceVersion };
  });
}

/**
 * Takes claims off the object. With the last one an object that we created is deleted, and an adopted one gets its earlier state
 * back; otherwise the object is composed anew from those that remain. What is absent, or not this fabric's, is left alone.
 * @throws unavailable when others keep changing the object; and as `compose`, `beforeDelete` and the cluster do
 */
export async function releaseClaims<N>(cluster: Cluster, options: ReleaseClaimsOptions<N>): Promise<ReleaseClaimsResult<N>> {
  const { ref, fabric, matches, run, unclaimed = false, compose, isNeed, beforeDelete, signal } = options;
  const untouched = { changed: false, removed: false, remaining: [] };
  const claimsOf = (object: KubeObject): Claim<N>[] => (unclaimed ? readableClaims(object, isNeed) : readClaims(object, isNeed));
  let prepared: string | undefined;
  return retryConflicts(ref, signal, async () => {
    let current = await getIfKnown(cluster, ref, signal);
    if (current === undefined || !isOurs(current, fabric) || current.metadata.deletionTimestamp !== undefined) return untouched;
    const before = claimsOf(current);
    const remaining = before.flatMap((claim) => (matches(claim) ? withoutRun(claim, run) : [claim]));
    const isLost = unclaimed && before.length === 0;
    if (!isLost && sameJson(remaining, before)) return { ...untouched, remaining: before };
    if (remaining.length > 0) {
      const object = recomposed(compose, { ref, fabric, before, claims: remaining, current });
      if ((await replaceIfThere(cluster, object, signal)) === undefined) return 'again';
      return { changed: true, removed: false, remaining };
    }
    if (current.metadata.labels?.[ORIGIN_LABEL] === 'adopted') {
      if ((await replaceIfThere(cluster, restoredObject(current), signal)) === undefined) return 'again';
      return { changed: true, removed: false, remaining };
    }
    if (beforeDelete !== undefined && prepared !== stateOf(current)) {
      await beforeDelete(current);
      // The preparation may have changed the object itself. If anybody else does so now, everything is looked at again.
      current = await getIfKnown(cluster, ref, signal);
      if (current === undefined) return untouched;
      prepared = stateOf(current);
      if (!sameJson(claimsOf(current), before)) return 'again';
    }
    const { uid, resourceVersion } = current.metadata;
    const removed = await cluster.delete(ref, { uid, resourceVersion, signal });
    return { changed: removed, removed, remaining };
  });
}

/**
 * Changes claims that are there (narrowing) or puts recorded ones back (`create`), and composes the object anew; says whether that
 * changed anything.
 * @throws with `create`: conflict when the object is somebody else's, pending while it is being deleted; unavailable when others keep
 *   changing it; and as `compose` and the cluster do
 */
export async function rewriteClaims<N>(cluster: Cluster, options: RewriteClaimsOptions<N>): Promise<boolean> {
  const { ref, fabric, rewrite, compose, isNeed, unclaimed = false, create, adopt = false, signal } = options;
  return retryConflicts(ref, signal, async () => {
    const current = await getIfKnown(cluster, ref, signal);
    if (current === undefined) {
      if (create === undefined) return false;
      await cluster.create(create(), signal);
      return true;
    }
    if (create !== undefined) assertUsable(current, ref, fabric, adopt);
    else if (!isOurs(current, fabric) || current.metadata.deletionTimestamp !== undefined) return false;
    const before = isOurs(current, fabric) ? (unclaimed ? readableClaims : readClaims)<N>(current, isNeed) : [];
    const claims = rewrite(before);
    if (claims.length === 0) return false;
    const object = recomposedIfPossible(compose, { ref, fabric, before, claims, current });
    if (object === undefined || sameJson(object, current)) return false;
    return (await replaceIfThere(cluster, object, signal)) === undefined ? 'again' : true;
  });
}

function assertUsable(current: KubeObject, ref: ObjectRef, fabric: string, adopt: boolean): void {
  const object = describeRef(ref);
  if (current.metadata.deletionTimestamp !== undefined) {
    throw new FabricError({ code: 'pending', message: `${object} is being deleted.`, hint: 'It is made anew once it is gone.', object });
  }
  if (isOurs(current, fabric)) return;
  if (isManaged(current)) {
    const owner = current.metadata.labels?.[FABRIC_LABEL] ?? 'unknown';
    throw new FabricError({
      code: 'conflict',
      message: `${object} belongs to fabric ${owner}, not to ${fabric}.`,
      hint: 'Choose another name or namespace, or tear that fabric down first.',
      object,
    });
  }
  if (adopt && ref.kind !== 'Secret') return;
  throw new FabricError({
    code: 'conflict',
    message: `${object} exists already and is not managed by Skyfabric.`,
    hint:
      ref.kind === 'Secret'
        ? 'Remove or rename it: a Secret is never adopted.'
        : 'Remove or rename it, or allow its adoption (`adopt: true`).',
    object,
  });
}

function isManaged({ metadata }: KubeObject): boolean {
  return metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY;
}

function isOurs(object: KubeObject, fabric: string): boolean {
  return isManaged(object) && object.metadata.labels?.[FABRIC_LABEL] === fabric;
}

function withClaim<N>(claims: readonly Claim<N>[], wanted: EnsureClaimOptions<N>['claim']): Claim<N>[] {
  const { id, by, run, need } = wanted;
  const known = claims.find((claim) => claim.id === id);
  if (known === undefined) return [...claims, { id, by, run, need }];
  if (sameJson(known.need, need)) return [...claims];
  // A run that changes its mind still owes what was there before it came.
  const earlier = known.run === run ? known.earlier : earlierOf(known);
  const changed: Claim<N> = { id, by, run, need, ...(earlier === undefined ? {} : { earlier }) };
  return claims.map((claim) => (claim === known ? changed : claim));
}

/** A claim as it is noted by whoever changes it. */
export function earlierOf<N>({ by, run, changedBy, need }: Claim<N>): NonNullable<Claim<N>['earlier']> {
  return { by, run, ...(changedBy === undefined ? {} : { changedBy }), need };
}

/** The claim as it would be had the run never been; an empty list when nothing of it is left. */
function withoutRun<N>(claim: Claim<N>, run: string | undefined): Claim<N>[] {
  const { earlier, ...now } = claim;
  if (run === undefined) return [];
  if (claim.run === run) return earlier === undefined || claim.changedBy !== undefined ? [] : [{ id: claim.id, ...earlier }];
  return earlier?.run === run ? [now] : [claim];
}

/** The current object with other claims on it. */
function recomposed<N>(
  compose: Compose<N>,
  change: Pick<RewriteClaimsOptions<N>, 'ref' | 'fabric'> & {
    readonly before: readonly Claim<N>[];
    readonly claims: readonly Claim<N>[];
    readonly current: KubeObject;
  },
): KubeObject {
  const { before, claims, current } = change;
  const previous = before.length === 0 ? {} : composeOrNothing(compose, before, current);
  return composedObject({ ...change, composed: compose(claims, current), previous });
}

/** As `recomposed`; `undefined` where none of the claims is changed, and nothing can be composed of them: that is for whoever needs the object. */
function recomposedIfPossible<N>(compose: Compose<N>, change: Parameters<typeof recomposed<N>>[1]): KubeObject | undefined {
  try {
    return recomposed(compose, change);
  } catch (error) {
    if (isFabricError(error) && sameJson(change.claims, change.before)) return undefined;
    throw error;
  }
}

/** What claims gave before a change, so that fields only they asked for can be taken away; nothing if they contradict each other. */
function composeOrNothing<N>(compose: Compose<N>, claims: readonly Claim<N>[], current: KubeObject): Composed {
  try {
    return compose(claims, current);
  } catch (error) {
    if (isFabricError(error)) return {};
    throw error;
  }
}

/** Changes with the claims and the contents of an object, but not with its status. */
function stateOf(object: KubeObject): string {
  const { labels, annotations, uid } = object.metadata;
  return digestOf({ ...object, status: undefined, metadata: { labels, annotations, uid } });
}

/** Replaces an object; `undefined` when it went away meanwhile. */
async function replaceIfThere(cluster: Cluster, object: KubeObject, signal: AbortSignal | undefined): Promise<KubeObject | undefined> {
  try {
    return await cluster.replace(object, signal);
  } catch (error) {
    if (isObjectMissing(error)) return undefined;
    throw error;
  }
}

/** An object, or nothing where even its kind is unknown: then there is nothing of ours to release either. */
async function getIfKnown(cluster: Cluster, ref: ObjectRef, signal: AbortSignal | undefined): Promise<KubeObject | undefined> {
  try {
    return await cluster.get<KubeObject>(ref, signal);
  } catch (error) {
    if (isResourceMissing(error)) return undefined;
    throw error;
  }
}
