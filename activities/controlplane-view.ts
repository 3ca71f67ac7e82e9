// Whether a gateway's control plane runs: without one nothing acts on ClusterLink's resources, and nothing is worth waiting for.
import { CONTROLPLANE } from '../src/clusterlink/manifest';
import type { Cluster } from '../src/kubernetes/cluster';
import type { KubeObject } from '../src/kubernetes/kube-object';

interface DeploymentView extends KubeObject {
  readonly status?: { readonly replicas?: number };
}

/** Whether a gateway's control plane has pods, ready or not. */
export async function isControlplaneRunning(cluster: Cluster, namespace: string, signal: AbortSignal): Promise<boolean> {
  const deployment = await cluster.get<DeploymentView>(
    { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: CONTROLPLANE },
    signal,
  );
  return (deployment?.status?.replicas ?? 0) > 0;
}
