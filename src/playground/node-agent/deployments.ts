// Makes the pods of Deployments, replaces them when the template changes, and reports how many are ready.
import type { Cluster } from '../../kubernetes/cluster';
import type { Condition } from '../../kubernetes/kube-object';
import { refOf } from '../../kubernetes/kube-object';
import type { Informer } from '../informer';
import { keyOf, WorkQueue } from '../informer';
import type { DeploymentResource, PodResource } from './resources';
import { isOwner, isReady, ownedBy, shortDigest } from './resources';

const HASH_LABEL = 'pod-template-hash';

/** The Deployments of one cluster. A pod counts as available as soon as it is ready: `minReadySeconds` is not waited for. */
export class Deployments {
  private readonly queue = new WorkQueue((key) => this.reconcile(key));
  private serial = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly nodeName: string,
    private readonly deployments: Informer<DeploymentResource>,
    private readonly pods: Informer<PodResource>,
  ) {
    deployments.onChange((deployment, gone) => {
      if (gone) for (const pod of this.podsOf(deployment)) void this.cluster.delete(refOf(pod)).catch(() => undefined);
      this.queue.add(keyOf(deployment));
    });
    pods.onChange(({ metadata }) => {
      for (const { kind, name } of metadata.ownerReferences ?? [])
        if (kind === 'Deployment') this.queue.add(`${metadata.namespace ?? ''}/${name}`);
    });
  }

  async close(): Promise<void> {
    await this.queue.close();
  }

  private async reconcile(key: string): Promise<void> {
    const deployment = this.deployments.get(key);
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return;
    const { replicas = 1, template, strategy } = deployment.spec;
    const hash = shortDigest(template);
    const all = this.podsOf(deployment).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    const current = all.filter(({ metadata }) => metadata.labels?.[HASH_LABEL] === hash);
    const outdated = all.filter((pod) => !current.includes(pod));
    const recreate = strategy?.type === 'Recreate';
    // Ready pods are the last to go when there are too many.
    const surplus = [...current].sort((a, b) => Number(isReady(a)) - Number(isReady(b))).slice(0, Math.max(0, current.length - replicas));
    const enough = current.filter(isReady).length >= replicas;
    for (const pod of [...surplus, ...(enough || recreate ? outdated : [])])
      await this.cluster.delete(refOf(pod), { uid: pod.metadata.uid });
    if (!recreate || outdated.length === 0)
      for (let count = current.length; count < replicas; count += 1) await this.createPod(deployment, hash);
    await this.writeStatus(deployment, current, outdated);
  }

  private async createPod(deployment: DeploymentResource, hash: string): Promise<void> {
    const { metadata, spec } = deployment.spec.template;
    this.serial += 1;
    const pod: PodResource = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `${deployment.metadata.name}-${hash}-${this.serial.toString(36).padStart(4, '0')}`,
        namespace: deployment.metadata.namespace,
        labels: { ...metadata?.labels, [HASH_LABEL]: hash },
        ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
        ownerReferences: [ownedBy(deployment)],
      },
      spec: { ...spec, nodeName: this.nodeName },
    };
    this.pods.remember(await this.cluster.create(pod));
  }

  private async writeStatus(
    deployment: DeploymentResource,
    current: readonly PodResource[],
    outdated: readonly PodResource[],
  ): Promise<void> {
    const { replicas = 1 } = deployment.spec;
    const ready = [...current, ...outdated].filter(isReady).length;
    const complete = current.filter(isReady).length >= replicas && outdated.length === 0;
    const status = {
      observedGeneration: deployment.metadata.generation ?? 1,
      replicas: current.length + outdated.length,
      updatedReplicas: current.length,
      readyReplicas: ready,
      availableReplicas: ready,
      unavailableReplicas: Math.max(0, replicas - ready),
      conditions: [
        conditionOf(
          deployment,
          'Available',
          ready >= replicas,
          ready >= replicas ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
        ),
        conditionOf(deployment, 'Progressing', true, complete ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated'),
      ],
    };
    const before = (deployment.status ?? {}) as Readonly<Record<string, unknown>>;
    if (Object.entries(status).every(([name, value]) => JSON.stringify(before[name]) === JSON.stringify(value))) return;
    await this.cluster.patchStatus(refOf(deployment), { status });
  }

  private podsOf(deployment: DeploymentResource): PodResource[] {
    return this.pods.list(deployment.metadata.namespace).filter((pod) => isOwner(deployment, pod));
  }
}

function conditionOf(deployment: DeploymentResource, type: string, value: boolean, reason: string): Condition {
  const status = value ? 'True' : 'False';
  const before = deployment.status?.conditions?.find((condition) => condition.type === type);
  if (before?.status === status && before.reason === reason) return before;
  return {
    type,
    status,
    reason,
    lastTransitionTime: before?.status === status ? (before.lastTransitionTime ?? '') : new Date().toISOString(),
  };
}
