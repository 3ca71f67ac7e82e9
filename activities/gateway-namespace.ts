// Namespaces made for a gateway. One that was there before is used as it is: not labelled, not changed, never deleted.
import type { Claimant } from '../src/model/claimant';
import { FabricError } from '../src/errors/fabric-error';
import { CLAIM_PREFIX, FABRIC_LABEL, MANAGED_BY_LABEL, ORIGIN_LABEL, readClaims, type Claim } from '../src/kubernetes/claim-marks';
import { ensureClaim, releaseClaims } from '../src/kubernetes/claims';
import { describeRef, refOf, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import { isResourceMissing } from '../src/kubernetes/kubernetes-errors';
import { watchObjectUntil } from '../src/kubernetes/watch-until';
import { tellProgress, withinAttempt } from './activity-context';
import { isMarked, type GatewayPlace } from './gateway-anchor';

/** The namespace controller takes some seconds, longer when pods need their grace period. */
const GONE_TIMEOUT_MS = 120_000;

/** Kinds by which somebody else's use of a namespace shows. */
const KINDS: readonly (readonly [apiVersion: string, kind: string])[] = [
  ['v1', 'ConfigMap'],
  ['v1', 'Secret'],
  ['v1', 'Service'],
  ['v1', 'ServiceAccount'],
  ['v1', 'Pod'],
  ['v1', 'PersistentVolumeClaim'],
  ['apps/v1', 'Deployment'],
  ['apps/v1', 'StatefulSet'],
  ['apps/v1', 'DaemonSet'],
  ['batch/v1', 'Job'],
  ['batch/v1', 'CronJob'],
  ['networking.k8s.io/v1', 'Ingress'],
  ['clusterlink.net/v1alpha1', 'AccessPolicy'],
  ['clusterlink.net/v1alpha1', 'Export'],
  ['clusterlink.net/v1alpha1', 'Import'],
  ['clusterlink.net/v1alpha1', 'Peer'],
];

/**
 * Makes the namespace when there is none, and claims it when it is ours.
 * @returns whether it changed anything
 * @throws FabricError `pending` while the namespace is being deleted, `conflict` when it is another fabric's
 */
export async function ensureNamespace({ cluster, fabric, signal }: GatewayPlace, claimant: Claimant, name: string): Promise<boolean> {
  const current = await cluster.get<KubeObject>(namespaceRef(name), signal);
  if (current?.metadata.deletionTimestamp !== undefined) {
    throw new FabricError({
      code: 'pending',
      message: `Namespace ${name} is being deleted.`,
      hint: 'It is made anew once it is gone.',
      object: `Namespace ${name}`,
    });
  }
  if (current !== undefined && current.metadata.labels?.[ORIGIN_LABEL] === undefined) return false;
  const { id, by, run } = claimant;
  const labels = { 'app.kubernetes.io/part-of': 'clusterlink' };
  const { changed } = await ensureClaim(cluster, {
    ref: namespaceRef(name),
    fabric,
    claim: { id, by, run, need: {} },
    compose: () => ({ labels }),
    signal,
  });
  return changed;
}

/**
 * Takes claims off a namespace that we made; with the last one it goes, and its end is waited for, unless others use it:
 * then it is left to them, without our labels.
 * @returns `stays`: that the namespace stays, and because of what
 * @throws FabricError `pending` when the namespace is not gone in time
 */
export async function releaseNamespace(
  place: GatewayPlace,
  name: string,
  matches: (claim: Claim<unknown>) => boolean,
  run: string | undefined,
): Promise<{ readonly changed: boolean; readonly stays?: string }> {
  const { cluster, fabric, signal } = place;
  const ref = namespaceRef(name);
  const current = await cluster.get<KubeObject>(ref, signal);
  if (current === undefined || !isMarked(current, fabric)) return { changed: false };
  const claims = readClaims(current);
  const lasting = claims.some((claim) => !(matches(claim) && (run === undefined || claim.run === run)));
  if (!lasting && claims.length > 0 && current.metadata.deletionTimestamp === undefined) {
    const foreign = await findForeign(place, name);
    if (foreign.length > 0) {
      await disown(place, current);
      return {
        changed: true,
        stays: `namespace ${name} stays, because ${foreign.slice(0, 3).join(', ')}${foreign.length > 3 ? ` and ${foreign.length - 3} more` : ''} in it ${foreign.length === 1 ? 'is' : 'are'} not ours`,
      };
    }
  }
  const { changed, removed } = await releaseClaims(cluster, { ref, fabric, matches, run, compose: () => ({}), signal });
  if (!removed && current.metadata.deletionTimestamp === undefined) return { changed };
  await watchObjectUntil(cluster, {
    ref,
    until: (object) => (object === undefined || object.metadata.uid !== current.metadata.uid ? true : undefined),
    describe: () => `namespace ${name} is still being deleted`,
    timeoutMs: withinAttempt(GONE_TIMEOUT_MS),
    code: 'pending',
    hint: `See which objects or finalizers hold it: \`kubectl get namespace ${name} -o yaml\`.`,
    signal,
    onProgress: tellProgress,
  });
  return { changed: true };
}

/** Objects in the namespace that are neither ours nor Kubernetes' own furniture. */
async function findForeign({ cluster, fabric, signal }: GatewayPlace, namespace: string): Promise<string[]> {
  const lists = await Promise.all(
    KINDS.map(async ([apiVersion, kind]) => {
      try {
        return (await cluster.list<KubeObject>({ apiVersion, kind, namespace }, signal)).items;
      } catch (error) {
        if (isResourceMissing(error)) return [];
        throw error;
      }
    }),
  );
  return lists
    .flat()
    .filter((object) => !isMarked(object, fabric) && !isFurniture(object))
    .map((object) => describeRef(refOf(object)));
}

function isFurniture(object: KubeObject & { readonly type?: string }): boolean {
  const { kind, metadata } = object;
  return (
    (kind === 'ConfigMap' && metadata.name === 'kube-root-ca.crt') ||
    (kind === 'ServiceAccount' && metadata.name === 'default') ||
    (kind === 'Secret' && object.type === 'kubernetes.io/service-account-token') ||
    metadata.deletionTimestamp !== undefined
  );
}

async function disown({ cluster, signal }: GatewayPlace, namespace: KubeObject): Promise<void> {
  const claims = Object.keys(namespace.metadata.annotations ?? {}).filter((key) => key.startsWith(CLAIM_PREFIX));
  const labels = { [MANAGED_BY_LABEL]: null, [FABRIC_LABEL]: null, [ORIGIN_LABEL]: null };
  const annotations = Object.fromEntries(claims.map((key) => [key, null]));
  await cluster.patch(refOf(namespace), { metadata: { labels, annotations, resourceVersion: namespace.metadata.resourceVersion } }, signal);
}

function namespaceRef(name: string): ObjectRef {
  return { apiVersion: 'v1', kind: 'Namespace', name };
}
