// Whether a gateway's control plane acts on ClusterLink's resources: where none does, nothing is worth waiting for.
import { CONTROLPLANE_OWN } from '../src/clusterlink/gateway-secrets';
import { CONTROLPLANE } from '../src/clusterlink/manifest';
import type { Cluster } from '../src/kubernetes/cluster';
import type { KubeObject } from '../src/kubernetes/kube-object';
import type { Pod } from '../src/kubernetes/pods';

interface DeploymentView extends KubeObject {
  readonly status?: { readonly replicas?: number };
}

interface LeaseView extends KubeObject {
  readonly spec?: { /** `<pod>_<uuid>`. */ readonly holderIdentity?: string; readonly acquireTime?: string };
}

/**
 * Whether a gateway's control plane has pods, ready or not, and one of them leads. One that begins anew does not for 15 s, until the
 * Lease of the one before it has run out; what is deleted meanwhile, it never hears of. Source: ClusterLink v0.4.1,
 * cmd/cl-controlplane/app/server.go and pkg/controlplane/control/controllers.go.
 */
export async function isControlplaneLeading(cluster: Cluster, namespace: string, signal: AbortSignal): Promise<boolean> {
  const [deployment, lease] = await Promise.all([
    cluster.get<DeploymentView>({ apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: CONTROLPLANE }, signal),
    cluster.get<LeaseView>({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name: CONTROLPLANE_OWN.lease }, signal),
  ]);
  if ((deployment?.status?.replicas ?? 0) === 0) return false;
  const holder = lease?.spec?.holderIdentity ?? '';
  if (holder === '') return true;
  const { items } = await cluster.list<Pod>({ apiVersion: 'v1', kind: 'Pod', namespace, labelSelector: `app=${CONTROLPLANE}` }, signal);
  return items.some((pod) => holder.startsWith(`${pod.metadata.name}_`) && !hasBegunSince(pod, lease?.spec?.acquireTime));
}

/** Whether a container of the pod began after the Lease was taken: then another one took it, in the same pod. Both times are the cluster's. */
function hasBegunSince({ status }: Pod, acquireTime: string | undefined): boolean {
  const began = (status?.containerStatuses ?? []).flatMap(({ state }) => state?.running?.startedAt ?? []);
  return acquireTime !== undefined && began.some((time) => Date.parse(time) > Date.parse(acquireTime));
}
