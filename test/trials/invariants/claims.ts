// No managed object without a claim, and no claim of a run that failed or was cancelled, unless that run has told it as residue.
import { readClaims, type Claim } from '../../../src/kubernetes/claim-marks';
import type { KubeObject } from '../../../src/kubernetes/kube-object';
import { eachManaged, SYSTEM, type Observation } from '../observation';

/** Kinds whose objects carry claims of their own; the others belong to the gateway of their cluster. */
const CLAIMED = ['Import', 'Export', 'Peer', 'AccessPolicy', 'PrivilegedAccessPolicy'];
const ANCHOR = 'skyfabric-gateway';

export function checkClaims(observation: Observation): string[] {
  return eachManaged(observation).flatMap(({ cluster, object, name }) => {
    const { touched, brokenGateways } = observation.user;
    if (touched.has(name) || isTold(observation, cluster)) return [];
    // The anchor, which has the claims on all of it, may be the part that was deleted.
    if (brokenGateways.has(cluster) && !CLAIMED.includes(object.kind)) return [];
    if (isOfOneRun(object)) return [`${name} is left of a run that has ended`];
    const claims = claimsOf(object);
    const isClaimed = CLAIMED.includes(object.kind) ? claims.length > 0 : hasGateway(observation.managed[cluster]);
    return [
      ...(isClaimed ? [] : [`${name} has no claim`]),
      ...strays(observation, claims).map(({ by, run }) => `${name} is claimed by ${by}, whose run ${run} did not end well`),
    ];
  });
}

/** Whether a run has told that something is left on a cluster; whether it was right to is asked elsewhere (residue.ts). */
function isTold({ runs }: Observation, cluster: string): boolean {
  return runs.some(({ residue }) => residue.some(({ peer }) => peer === cluster));
}

/** A claim names the run that last changed it. One that a failed run has left is good again once the same request has succeeded: see ADR 2. */
function strays({ succeeded, latest, runs }: Observation, claims: readonly Claim<unknown>[]): Claim<unknown>[] {
  // A teardown only goes forward: what it narrowed stays narrowed.
  const forward = new Set(runs.filter(({ plan }) => plan.kind === 'TeardownFabric').map(({ runId }) => runId));
  return claims.filter(({ by, run }) => !succeeded.has(run) && latest.get(by) !== true && !forward.has(run));
}

function hasGateway(objects: readonly KubeObject[]): boolean {
  const anchor = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.namespace === SYSTEM && metadata.name === ANCHOR);
  return anchor !== undefined && claimsOf(anchor).length > 0;
}

/** What is kept for undoing, keys that wait for their certificates, probes. */
function isOfOneRun({ kind, metadata: { name } }: KubeObject): boolean {
  return kind === 'Job' || (kind === 'Secret' && /^skyfabric-(earlier|pending-key)-/.test(name));
}

function claimsOf(object: KubeObject): Claim<unknown>[] {
  try {
    return readClaims<unknown>(object);
  } catch {
    // Garbled by the user, which is told elsewhere.
    return [];
  }
}
