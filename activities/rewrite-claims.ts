// Changing claims that are there, beside adding (`ensureClaim`) and taking them off (`releaseClaims`): narrowing and restoring.
import { setTimeout as delay } from 'node:timers/promises';
import { FabricError, isFabricError } from '../src/errors/fabric-error';
import {
  composedObject,
  FABRIC_LABEL,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  readClaims,
  type Claim,
  type Composed,
} from '../src/kubernetes/claim-marks';
import type { Compose } from '../src/kubernetes/claims';
import type { Cluster } from '../src/kubernetes/cluster';
import { sameJson } from '../src/kubernetes/digest';
import { describeRef, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import { isAlreadyExists, isConflict, isObjectMissing } from '../src/kubernetes/kubernetes-errors';

const MAX_ATTEMPTS = 12;
const MAX_PAUSE_MS = 50;

export interface RewriteClaimsOptions<N> {
  readonly ref: ObjectRef;
  readonly fabric: string;
  /** The claims as they should be, from those that are there; at least one, or the object is left as it is. */
  readonly rewrite: (claims: readonly Claim<N>[]) => readonly Claim<N>[];
  readonly compose: Compose<N>;
  /** What to create when there is no such object; without it nothing is done then. */
  readonly create?: (() => KubeObject) | undefined;
  /** Whether an object without our labels may be taken over; default no. */
  readonly adopt?: boolean | undefined;
  readonly signal: AbortSignal;
}

/**
 * Rewrites an object's claims under its `resourceVersion`, and composes it anew; says whether that changed anything.
 * @throws pending while it is being deleted; conflict when it is not this fabric's and must not be; unavailable when others keep
 * changing it; and as `compose` and the cluster do
 */
export async function rewriteClaims<N>(cluster: Cluster, options: RewriteClaimsOptions<N>): Promise<boolean> {
  const { ref, fabric, rewrite, compose, create, adopt = false, signal } = options;
  const object = describeRef(ref);
  for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts += 1) {
    // Writers that lost at the same moment must not meet again at the same moment.
    if (attempts > 0) await delay(Math.random() * MAX_PAUSE_MS, undefined, { signal });
    try {
      const current = await cluster.get<KubeObject>(ref, signal);
      if (current === undefined) {
        if (create === undefined) return false;
        await cluster.create(create(), signal);
        return true;
      }
      const { labels, deletionTimestamp } = current.metadata;
      const managed = labels?.[MANAGED_BY_LABEL] === MANAGED_BY;
      const ours = managed && labels[FABRIC_LABEL] === fabric;
      if (!ours && create === undefined) return false;
      if (deletionTimestamp !== undefined) throw new FabricError({ code: 'pending', message: `${object} is being deleted.`, object });
      if (!ours && (managed || !adopt)) {
        throw new FabricError({
          code: 'conflict',
          message: `${object} was made anew by somebody else meanwhile.`,
          hint: 'Remove it, then try again.',
          object,
        });
      }
      const before = ours ? readClaims<N>(current) : [];
      const claims = rewrite(before);
      if (claims.length === 0) return false;
      const previous = before.length === 0 ? {} : composeOrNothing(compose, before, current);
      const wanted = composedObject({ ref, fabric, claims, composed: compose(claims, current), previous, current });
      if (sameJson(wanted, current)) return false;
      await cluster.replace(wanted, signal);
      return true;
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error) && !isObjectMissing(error)) throw error;
    }
  }
  throw new FabricError({ code: 'unavailable', message: `${object} was changed by others ${MAX_ATTEMPTS} times in a row.`, object });
}

function composeOrNothing<N>(compose: Compose<N>, claims: readonly Claim<N>[], current: KubeObject): Composed {
  try {
    return compose(claims, current);
  } catch (error) {
    if (isFabricError(error)) return {};
    throw error;
  }
}
