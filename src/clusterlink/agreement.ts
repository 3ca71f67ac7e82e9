// Where claims on one object must say the same: a service has one port on a peer, whoever connects it.
import { FabricError } from '../errors/fabric-error';
import type { Claim } from '../kubernetes/claim-marks';
import { describeRef, type ObjectRef } from '../kubernetes/kube-object';

/**
 * The value that all claims give.
 * @param what names it in the message, as `port`.
 * @throws FabricError `conflict` that names both claimants
 */
export function agreed<N, V extends string | number | boolean>(
  ref: ObjectRef,
  claims: readonly Claim<N>[],
  what: string,
  valueOf: (need: N) => V,
): V {
  const [first, ...others] = claims;
  if (first === undefined) throw new FabricError({ code: 'internal', message: `${describeRef(ref)} cannot be composed of no claims.` });
  const value = valueOf(first.need);
  const other = others.find((claim) => valueOf(claim.need) !== value);
  if (other === undefined) return value;
  throw new FabricError({
    code: 'conflict',
    message: `${describeRef(ref)} is shared by ${first.by}, which needs ${what} ${value}, and ${other.by}, which needs ${what} ${valueOf(other.need)}.`,
    hint: `Ask for the same ${what} as the other connection, or disconnect that one first.`,
    object: describeRef(ref),
  });
}
