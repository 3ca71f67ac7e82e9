// Makes the pods of Deployments, replaces them when the template changes, and reports how many are ready.
import type { Cluster } from '../../kubernetes/cluster';
import type { Condition } from '../../kubernetes/kube-object';
import { refOf } from '../../kubernetes/kube-object';
import type { Informer } from '../informer';
import { keyOf, WorkQueue } from '../informer';
import type { DeploymentResource, PodResource } from './resources';
import { isOwner, isReady, ownedBy, shortDigest } from './resources';

const HASH_LABEL = 'pod-template-hash';

/** The Deployments of one cluster. They roll as Kubernetes' do: no pod too many, and none of those too few that have been ready for long enough. */
export class Deployments {
  private readonly queue = new WorkQueue((key) => this.reconcile(key));
  private serial = 0;
  /** When each pod was first seen to be ready, by uid. */
  private readonly readySince = new Map<string, number>();

  constructor(
    private readonly cluster: Cluster,
    private readonly nodeName: string,
    /** How long a second of `minReadySeconds` lasts. */
    private readonly secondMs: number,
    private readonly deployments: Informer<DeploymentResource>,
    private readonly pods: Informer<PodResource>,
  ) {
    deployments.onChange((deployment, gone) => {
      if (gone) for (const pod of this.podsOf(deployment)) void this.cluster.delete(refOf(pod)).catch(() => undefined);
      this.queue.add(keyOf(deployment));
    });
    pods.onChange((pod, gone) => {
      const { metadata } = pod;
      const uid = metadata.uid ?? '';
      if (gone || !isReady(pod)) this.readySince.delete(uid);
      else if (!this.readySince.has(uid)) this.readySince.set(uid, Date.now());
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
    const { replicas = 1, template, strategy, minReadySeconds = 0 } = deployment.spec;
    const hash = shortDigest(template);
    const all = this.podsOf(deployment).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    const current = all.filter(({ metadata }) => metadata.labels?.[HASH_LABEL] === hash);
    const outdated = all.filter((pod) => !current.includes(pod));
    const recreate = strategy?.type === 'Recreate';
    // Ready pods are the last to go when there are too many.
    const surplus = [...current].sort((a, b) => Number(isReady(a)) - Number(isReady(b))).slice(0, Math.max(0, current.length - replicas));
    const waits = all.map((pod) => this.untilAvailableMs(pod, minReadySeconds)).filter((ms) => ms > 0 && ms < Infinity);
    // Timers may fire a little early.
    if (waits.length > 0) this.queue.addAfter(key, Math.min(...waits) + 1);
    const isAvailable = (pod: PodResource): boolean => this.untilAvailableMs(pod, minReadySeconds) === 0;
    const dispensable = recreate ? outdated : dispensableOf(deployment, current, outdated, isAvailable);
    for (const pod of [...surplus, ...dispensable]) await this.cluster.delete(refOf(pod), { uid: pod.metadata.uid });
    const room = recreate ? (outdated.length === 0 ? replicas : 0) : replicas + surgeOf(deployment) - outdated.length + dispensable.length;
    for (let count = current.length; count < Math.min(replicas, room); count += 1) await this.createPod(deployment, hash);
    await this.writeStatus(deployment, current, outdated, isAvailable);
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
    isAvailable: (pod: PodResource) => boolean,
  ): Promise<void> {
    const { replicas = 1 } = deployment.spec;
    const ready = [...current, ...outdated].filter(isReady).length;
    const available = [...current, ...outdated].filter(isAvailable).length;
    const complete = current.filter(isAvailable).length >= replicas && outdated.length === 0;
    const status = {
      observedGeneration: deployment.metadata.generation ?? 1,
      replicas: current.length + outdated.length,
      updatedReplicas: current.length,
      readyReplicas: ready,
      availableReplicas: available,
      unavailableReplicas: Math.max(0, replicas - available),
      conditions: [
        conditionOf(
          deployment,
          'Available',
          available >= replicas,
          available >= replicas ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
        ),
        conditionOf(deployment, 'Progressing', true, complete ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated'),
      ],
    };
    const before = (deployment.status ?? {}) as Readonly<Record<string, unknown>>;
    if (Object.entries(status).every(([name, value]) => JSON.stringify(before[name]) === JSON.stringify(value))) return;
    await this.cluster.patchStatus(refOf(deployment), { status });
  }

  /** How much longer (ms) a pod has to be ready until it counts; 0 when it does. */
  private untilAvailableMs(pod: PodResource, minReadySeconds: number): number {
    const since = this.readySince.get(pod.metadata.uid ?? '');
    return since === undefined || !isReady(pod) ? Infinity : Math.max(0, since + minReadySeconds * this.secondMs - Date.now());
  }

  private podsOf(deployment: DeploymentResource): PodResource[] {
    return this.pods.list(deployment.metadata.namespace).filter((pod) => isOwner(deployment, pod));
  }
}

/** How many pods may be there beyond the replicas. A share rounds up, to one pod at these sizes. */
function surgeOf({ spec: { strategy } }: DeploymentResource): number {
  const surge = strategy?.rollingUpdate?.maxSurge ?? 1;
  return typeof surge === 'number' ? surge : 1;
}

/** The pods of earlier templates that may go now. Source: Kubernetes, pkg/controller/deployment/rolling.go. */
function dispensableOf(
  { spec: { replicas = 1, strategy } }: DeploymentResource,
  current: readonly PodResource[],
  outdated: readonly PodResource[],
  isAvailable: (pod: PodResource) => boolean,
): PodResource[] {
  const given = strategy?.rollingUpdate?.maxUnavailable ?? 0;
  // A share rounds down, to none at these sizes.
  const least = replicas - (typeof given === 'number' ? given : 0);
  const [serving, idle] = [outdated.filter(isAvailable), outdated.filter((pod) => !isAvailable(pod))];
  const servingNow = current.filter(isAvailable).length;
  const most = Math.max(0, servingNow + outdated.length - least);
  const gone = idle.slice(0, most);
  return [...gone, ...serving.slice(0, Math.max(0, Math.min(most - gone.length, servingNow + serving.length - least)))];
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
