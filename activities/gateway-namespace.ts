// Namespaces made for a gateway. One that was there before is used as it is: not labelled, not changed, never deleted.
import type { Claimant } from '../src/model/claimant';
import { CONTROLPLANE_OWN } from '../src/clusterlink/gateway-secrets';
import { CLUSTERLINK_API_VERSION, CLUSTERLINK_GROUP, OPERATOR_LEASE } from '../src/clusterlink/resources';
import { FabricError, isFabricError } from '../src/errors/fabric-error';
import { CLAIM_PREFIX, FABRIC_LABEL, MANAGED_BY_LABEL, ORIGIN_LABEL, readClaims, type Claim } from '../src/kubernetes/claim-marks';
import { ensureClaim, releaseClaims } from '../src/kubernetes/claims';
import { storedKinds } from '../src/kubernetes/discovery';
import { describeRef, refOf, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import { resourceOf } from '../src/kubernetes/resource-path';
import { watchObjectUntil } from '../src/kubernetes/watch-until';
import { tellProgress, withinAttempt } from './activity-context';
import { isMarked, type GatewayPlace } from './gateway-anchor';
import { someOf } from './gateway-objects';
import { inParallel } from './in-parallel';

/** The namespace controller takes some seconds, longer when pods need their grace period. */
const GONE_TIMEOUT_MS = 120_000;

/** ClusterLink's own kinds: their definitions may go at any moment, with the gateway that they were made for. */
const CLUSTERLINK_KINDS = ['AccessPolicy', 'Export', 'Import', 'Instance', 'Peer'];

/** What Kubernetes writes about other objects. */
const ABOUT_OTHERS = ['Endpoints', 'Event'];

/** By which ClusterLink's own pods elect their leaders. */
const LEASES: readonly string[] = [CONTROLPLANE_OWN.lease, OPERATOR_LEASE];

/** Label of the EndpointSlices that Kubernetes makes for a Service. */
const SLICE_MAKER_LABEL = 'endpointslice.kubernetes.io/managed-by';
const SLICE_MAKERS = ['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io'];

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
    const { foreign, unseen } = await findForeign(place, name);
    if (foreign.length + unseen.length > 0) {
      await disown(place, current);
      const why =
        foreign.length > 0
          ? `${someOf(foreign)} in it ${foreign.length === 1 ? 'is' : 'are'} not ours`
          : `whether others have ${someOf(unseen)} in it may not be looked at`;
      return { changed: true, stays: `namespace ${name} stays, because ${why}` };
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

/**
 * Objects in the namespace that are neither ours nor Kubernetes' own furniture, of whatever kind: all of them would go with it. And
 * the kinds that this account may not list.
 */
async function findForeign(
  { cluster, fabric, signal }: GatewayPlace,
  namespace: string,
): Promise<{ readonly foreign: readonly string[]; readonly unseen: readonly string[] }> {
  const others = await storedKinds(cluster, (group) => group !== CLUSTERLINK_GROUP, signal);
  const kinds = others.filter(({ kind }) => !ABOUT_OTHERS.includes(kind));
  const own = CLUSTERLINK_KINDS.map((kind) => ({ apiVersion: CLUSTERLINK_API_VERSION, kind }));
  const unseen: string[] = [];
  const lists = await inParallel([...kinds, ...own], async (kind) => {
    try {
      return await cluster.listIfKnown<KubeObject>({ ...kind, namespace }, signal);
    } catch (error) {
      if (!isFabricError(error, 'forbidden')) throw error;
      const { group, resource } = resourceOf(kind);
      unseen.push(group === '' ? resource : `${resource}.${group}`);
      return [];
    }
  });
  const listed = new Set([...kinds, ...own].map(({ apiVersion, kind }) => `${groupOf(apiVersion)} ${kind}`));
  // Goes and stays with its owner, which is looked at itself.
  const isOwned = ({ metadata }: KubeObject): boolean =>
    metadata.ownerReferences?.some(
      ({ apiVersion, kind, controller }) => controller === true && listed.has(`${groupOf(apiVersion)} ${kind}`),
    ) === true;
  const foreign = lists
    .flat()
    .filter((object) => !isMarked(object, fabric) && !isFurniture(object) && !isOwned(object))
    .map((object) => describeRef(refOf(object)));
  return { foreign, unseen: unseen.sort() };
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}

function isFurniture(object: KubeObject & { readonly type?: string }): boolean {
  const { kind, metadata } = object;
  return (
    (kind === 'ConfigMap' && metadata.name === 'kube-root-ca.crt') ||
    (kind === 'ServiceAccount' && metadata.name === 'default') ||
    (kind === 'Secret' && object.type === 'kubernetes.io/service-account-token') ||
    (kind === 'EndpointSlice' && SLICE_MAKERS.includes(metadata.labels?.[SLICE_MAKER_LABEL] ?? '')) ||
    (kind === 'Lease' && LEASES.includes(metadata.name)) ||
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
