// The echo server by which links are measured: it stands beside a gateway for as long as a run needs it.
import { ECHO_LABEL, echoDeployment, echoService, type EchoOptions } from '../src/clusterlink/echo-manifests';
import type { DeploymentResource, ServiceResource } from '../src/clusterlink/manifest';
import type { Steps } from '../src/contract/activities';
import { FabricError, isFabricError } from '../src/errors/fabric-error';
import { fabricSelector, readClaims } from '../src/kubernetes/claim-marks';
import { ensureClaim } from '../src/kubernetes/claims';
import type { Cluster } from '../src/kubernetes/cluster';
import { describeRef, refOf, type KubeObject } from '../src/kubernetes/kube-object';
import { explainPods, type Pod } from '../src/kubernetes/pods';
import { watchObjectUntil } from '../src/kubernetes/watch-until';
import { signal, tellProgress, withinAttempt } from './activity-context';
import type { ActivityDeps } from './deps';
import { inParallel } from './in-parallel';
import { changeOf } from './managed';
import { ECHO_READY_TIMEOUT_MS } from './management-timeouts';

interface Deployment extends KubeObject {
  readonly status?: { readonly availableReplicas?: number };
}

/** `ensureEcho`, `removeEcho`. */
export function echoActivities({ clusters }: ActivityDeps): Pick<Steps, 'ensureEcho' | 'removeEcho'> {
  return {
    async ensureEcho({ claimant, peer, service, image }) {
      const cluster = clusters.cluster(peer);
      const { fabric, ...mark } = claimant;
      const options = { service, fabric, claim: claimant.id, image };
      const ensured = await inParallel<DeploymentResource | ServiceResource, Awaited<ReturnType<typeof ensureClaim>>>(
        [echoDeployment(options), echoService(options)],
        (object) =>
          ensureClaim(cluster, {
            ref: refOf(object),
            fabric,
            claim: { ...mark, need: { image, port: service.port } },
            compose: () => ({ labels: object.metadata.labels ?? {}, spec: object.spec }),
            signal: signal(),
          }),
      );
      await awaitEcho(cluster, options);
      return changeOf({ created: ensured.some(({ created }) => created), changed: ensured.some(({ changed }) => changed) });
    },

    async removeEcho({ claimant, peer, of }) {
      const { fabric, id, by, run } = claimant;
      const isRemains = (object: KubeObject): boolean => readClaims(object).every((claim) => claim.by === by && claim.run !== run);
      const removed = await removeEchoes(clusters.cluster(peer), {
        fabric,
        namespace: peer.namespace,
        ...(of === 'claim' ? { claim: id } : { concerns: isRemains }),
      });
      return { changed: removed, note: removed ? 'removed' : 'nothing to remove' };
    },
  };
}

/** Removes the echo servers of a claim, or all of the fabric's, with their Services; says whether there was any. */
export async function removeEchoes(
  cluster: Cluster,
  {
    fabric,
    namespace,
    claim,
    concerns = () => true,
  }: {
    readonly fabric: string;
    readonly namespace: string;
    readonly claim?: string;
    readonly concerns?: (object: KubeObject) => boolean;
  },
): Promise<boolean> {
  const labelSelector = `${fabricSelector(fabric)},${ECHO_LABEL}${claim === undefined ? '' : `=${claim}`}`;
  const kinds = [
    { apiVersion: 'apps/v1', kind: 'Deployment' },
    { apiVersion: 'v1', kind: 'Service' },
  ];
  const found = await inParallel(kinds, (kind) => cluster.list<KubeObject>({ ...kind, namespace, labelSelector }, signal()));
  const removed = await inParallel(
    found.flatMap(({ items }) => items.filter(concerns)),
    (object) => cluster.delete(refOf(object), { uid: object.metadata.uid, signal: signal() }),
  );
  return removed.includes(true);
}

async function awaitEcho(cluster: Cluster, options: EchoOptions): Promise<void> {
  const ref = refOf(echoDeployment(options));
  const { name, namespace = '' } = ref;
  try {
    await watchObjectUntil<Deployment, true>(cluster, {
      ref,
      until: (deployment) => ((deployment?.status?.availableReplicas ?? 0) > 0 ? true : undefined),
      describe: (deployment) => (deployment === undefined ? `${describeRef(ref)} is gone` : 'its pod is not ready'),
      timeoutMs: withinAttempt(ECHO_READY_TIMEOUT_MS),
      signal: signal(),
      onProgress: tellProgress,
    });
  } catch (error) {
    if (!isFabricError(error, 'unready')) throw error;
    const labelSelector = `${ECHO_LABEL}=${options.claim}`;
    const { items } = await cluster.list<Pod>({ apiVersion: 'v1', kind: 'Pod', namespace, labelSelector }, signal());
    throw new FabricError({
      code: 'unready',
      message: `The echo server ${namespace}/${name} on ${cluster.toString()} is not ready: ${explainPods(items)}.`,
      hint: 'Give an image that this cluster can run (`image`).',
      object: describeRef(ref),
      cause: error,
    });
  }
}
