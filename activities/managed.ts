// What the management activities share: claiming one custom resource, and going through all of a kind.
import type { Change, Selection } from '../src/contract/activities';
import type { SharedKind } from '../src/clusterlink/shared-kind';
import { CLUSTERLINK_API_VERSION } from '../src/clusterlink/resources';
import { FabricError } from '../src/errors/fabric-error';
import { fabricSelector, needOf, type Claim } from '../src/kubernetes/claim-marks';
import { ensureClaim, type EnsureClaimResult } from '../src/kubernetes/claims';
import type { Cluster } from '../src/kubernetes/cluster';
import { describeRef, type Condition, type KubeObject, type ObjectRef } from '../src/kubernetes/kube-object';
import { watchObjectUntil } from '../src/kubernetes/watch-until';
import type { Claimant } from '../src/model/claimant';
import { signal, tellProgress, withinAttempt } from './activity-context';
import { CONDITION_TIMEOUT_MS } from './management-timeouts';

/** Claims an object of a kind with this need. What ClusterLink would not survive is refused before anything is sent. */
export async function ensureShared<N>(
  cluster: Cluster,
  ref: ObjectRef,
  kind: Pick<SharedKind<N>, 'isNeed' | 'compose'>,
  input: { readonly claimant: Claimant; readonly need: N; readonly adopt: boolean },
): Promise<EnsureClaimResult> {
  const { fabric, ...mark } = input.claimant;
  const claim = { ...mark, need: input.need };
  const compose = kind.compose(ref);
  compose([claim], undefined);
  return ensureClaim(cluster, { ref, fabric, claim, adopt: input.adopt, compose, isNeed: kind.isNeed, signal: signal() });
}

/** What an `ensure…` did, for the step tree. */
export function changeOf({ created, changed }: Pick<EnsureClaimResult, 'created' | 'changed'>): Change {
  return { changed, note: created ? 'created' : changed ? 'changed' : 'unchanged' };
}

/** All objects of a kind that this fabric manages; none where the cluster does not know the kind. */
export async function listShared(
  cluster: Cluster,
  { kind }: Pick<SharedKind<unknown>, 'kind'>,
  fabric: string,
  namespace: string | undefined,
): Promise<readonly KubeObject[]> {
  const inNamespace = kind === 'PrivilegedAccessPolicy' || namespace === undefined ? {} : { namespace };
  const query = { apiVersion: CLUSTERLINK_API_VERSION, kind, labelSelector: fabricSelector(fabric), ...inNamespace };
  return cluster.listIfKnown(query, signal());
}

/**
 * Whether a claim concerns what the selection speaks of. What it needs is read last: one that somebody mangled stops only those whom it may
 * concern. @throws conflict for such a one
 */
export function isSelected<N>(kind: SharedKind<N>, ref: ObjectRef, claim: Claim<N>, { service, remotes, claims }: Selection): boolean {
  if (claims !== undefined && !claims.includes(claim.id)) return false;
  if (service !== undefined && !kind.isAbout(service, ref, claim.need)) return false;
  return remotes === undefined || kind.remotesOf(ref, needOf(ref, claim, kind.isNeed)).some((remote) => remotes.includes(remote));
}

interface WithConditions extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/**
 * Waits until ClusterLink has set all of these conditions to True. They have no generation: a spec of ours is judged by what
 * they speak of (a Service, a port), which does not change with the rest of it. @throws unready in the conditions' own words
 */
export async function awaitConditions(cluster: Cluster, ref: ObjectRef, types: readonly string[], hint: string): Promise<void> {
  const find = (object: WithConditions | undefined, type: string): Condition | undefined =>
    object?.status?.conditions?.find((condition) => condition.type === type);
  await watchObjectUntil<WithConditions, true>(cluster, {
    ref,
    until: (object) => (types.every((type) => find(object, type)?.status === 'True') ? true : undefined),
    describe: (object) => {
      if (object === undefined) return `${describeRef(ref)} is gone`;
      const missing = types.filter((type) => find(object, type)?.status !== 'True');
      const words = missing.map((type) => {
        const condition = find(object, type);
        return condition === undefined
          ? `no condition ${type} yet: the control plane has not looked at it`
          : `${type} is ${condition.status}: ${condition.message ?? condition.reason ?? 'no reason given'}`;
      });
      return `${describeRef(ref)}: ${words.join('; ')}`;
    },
    timeoutMs: withinAttempt(CONDITION_TIMEOUT_MS),
    hint,
    signal: signal(),
    onProgress: tellProgress,
  });
}

/** Makes sure that the service's namespace exists; namespaces of users are never created by us. @throws not_found */
export async function requireNamespace(cluster: Cluster, peer: string, namespace: string): Promise<void> {
  if ((await cluster.get({ apiVersion: 'v1', kind: 'Namespace', name: namespace }, signal())) !== undefined) return;
  throw new FabricError({
    code: 'not_found',
    message: `Peer ${peer} has no namespace ${namespace}.`,
    hint: `Create it: \`kubectl --context ${cluster.context} create namespace ${namespace}\`.`,
    peer,
    object: `Namespace ${namespace}`,
  });
}
