// Runs Jobs: one pod after the other until one succeeds, too many failed, or the time is up.
import type { Cluster } from '../../kubernetes/cluster';
import { refOf } from '../../kubernetes/kube-object';
import type { Informer } from '../informer';
import { keyOf, WorkQueue } from '../informer';
import type { JobResource, PodResource } from './resources';
import { isOwner, ownedBy } from './resources';

const DEFAULT_BACKOFF_LIMIT = 6;

/** The Jobs of one cluster, each of one completion. */
export class Jobs {
  private readonly queue = new WorkQueue((key) => this.reconcile(key));
  private readonly timed = new Set<string>();
  private serial = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly nodeName: string,
    private readonly jobs: Informer<JobResource>,
    private readonly pods: Informer<PodResource>,
  ) {
    jobs.onChange((job, gone) => {
      if (gone) for (const pod of this.podsOf(job)) void this.cluster.delete(refOf(pod)).catch(() => undefined);
      this.queue.add(keyOf(job));
    });
    pods.onChange(({ metadata }) => {
      for (const { kind, name } of metadata.ownerReferences ?? [])
        if (kind === 'Job') this.queue.add(`${metadata.namespace ?? ''}/${name}`);
    });
  }

  async close(): Promise<void> {
    await this.queue.close();
  }

  private async reconcile(key: string): Promise<void> {
    const job = this.jobs.get(key);
    if (job === undefined || job.metadata.deletionTimestamp !== undefined) return;
    const { activeDeadlineSeconds, ttlSecondsAfterFinished, backoffLimit = DEFAULT_BACKOFF_LIMIT } = job.spec;
    const finished = job.status?.conditions?.find(({ type, status }) => ['Complete', 'Failed'].includes(type) && status === 'True');
    if (finished !== undefined) {
      if (this.isOver(key, finished.lastTransitionTime, ttlSecondsAfterFinished)) await this.cluster.delete(refOf(job));
      return;
    }
    const startTime = job.status?.startTime ?? new Date().toISOString();
    const pods = this.podsOf(job);
    const inPhase = (phase: string): PodResource[] => pods.filter(({ status }) => status?.phase === phase);
    const succeeded = inPhase('Succeeded').length;
    const failed = inPhase('Failed').length;
    const active = pods.filter(
      ({ metadata, status }) => metadata.deletionTimestamp === undefined && !['Succeeded', 'Failed'].includes(status?.phase ?? ''),
    );
    const late = this.isOver(key, startTime, activeDeadlineSeconds);
    const problem = late ? 'DeadlineExceeded' : failed > backoffLimit ? 'BackoffLimitExceeded' : undefined;
    const end = succeeded > 0 ? 'Complete' : problem === undefined ? undefined : 'Failed';
    if (end === 'Failed') for (const pod of active) await this.cluster.delete(refOf(pod));
    if (end === undefined && active.length === 0) await this.createPod(job);
    const now = new Date().toISOString();
    const status = {
      startTime,
      active: end === undefined ? 1 : 0,
      succeeded,
      failed,
      ...(end === 'Complete' ? { completionTime: now } : {}),
      ...(end === undefined
        ? {}
        : {
            conditions: [
              {
                type: end,
                status: 'True',
                lastProbeTime: now,
                lastTransitionTime: now,
                ...(problem === undefined ? {} : { reason: problem }),
              },
            ],
          }),
    };
    const before = (job.status ?? {}) as Readonly<Record<string, unknown>>;
    if (Object.entries(status).every(([name, value]) => JSON.stringify(before[name]) === JSON.stringify(value))) return;
    await this.cluster.patchStatus(refOf(job), { status });
  }

  /** Whether so many seconds have passed since then; if not, the Job is looked at again when they have. */
  private isOver(key: string, since: string | undefined, seconds: number | undefined): boolean {
    if (since === undefined || seconds === undefined) return false;
    const leftMs = Date.parse(since) + seconds * 1_000 - Date.now();
    const timer = `${key} ${since} ${seconds}`;
    if (leftMs > 0 && !this.timed.has(timer)) {
      this.timed.add(timer);
      this.queue.addAfter(key, leftMs);
    }
    return leftMs <= 0;
  }

  private async createPod(job: JobResource): Promise<void> {
    const { metadata, spec } = job.spec.template;
    const { name, namespace, uid = '' } = job.metadata;
    this.serial += 1;
    const pod: PodResource = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `${name}-${this.serial.toString(36).padStart(5, '0')}`,
        namespace,
        labels: {
          ...metadata?.labels,
          'job-name': name,
          'batch.kubernetes.io/job-name': name,
          'controller-uid': uid,
          'batch.kubernetes.io/controller-uid': uid,
        },
        ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
        ownerReferences: [ownedBy(job)],
      },
      spec: { ...spec, restartPolicy: spec.restartPolicy ?? 'Never', nodeName: this.nodeName },
    };
    this.pods.remember(await this.cluster.create(pod));
  }

  private podsOf(job: JobResource): PodResource[] {
    return this.pods.list(job.metadata.namespace).filter((pod) => isOwner(job, pod));
  }
}
