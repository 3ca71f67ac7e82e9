// Runs the pods of the simulated node: starts them after a delay, says why they wait, and lets them go.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../../kubernetes/cluster';
import { refOf } from '../../kubernetes/kube-object';
import { isAlreadyExists, isObjectMissing } from '../../kubernetes/kubernetes-errors';
import { objectPath } from '../../kubernetes/resource-path';
import type { Informer } from '../informer';
import { keyOf, WorkQueue } from '../informer';
import type { Problem } from './mounts';
import { Mounts } from './mounts';
import type { PodNetwork } from '../network';
import type { Program } from './program';
import type { DataResource, PodResource } from './resources';
import { shortDigest } from './resources';
import { RunningPod } from './running-pod';

/** What image pulls look like that no registry can serve. */
const UNKNOWN_IMAGE = /missing|broken/;
/** Kubelet begins with 10 s. */
const CRASH_BACKOFF_MS = 500;

/** A pod that sleeps before it stops does so in naps: where the machine is slow for what it serves meanwhile, they become longer too. */
const NAP_MS = 10;

export interface KubeletOptions {
  readonly cluster: Cluster;
  readonly network: PodNetwork;
  readonly programs: readonly Program[];
  readonly readyDelayMs: number;
  /** How long a second lasts that a pod is told to wait before it stops. */
  readonly secondMs: number;
  readonly pods: Informer<PodResource>;
  readonly secrets: Informer<DataResource>;
  readonly configMaps: Informer<DataResource>;
}

/** The simulated kubelet of one cluster's only node. */
export class Kubelet {
  private readonly queue = new WorkQueue((key) => this.reconcile(key));
  private readonly running = new Map<string, RunningPod>();
  private readonly startAt = new Map<RunningPod, number>();
  private readonly written = new Map<RunningPod, string>();
  /** Pods that are told to sleep before they stop, and whether they have slept enough. */
  private readonly lastSleeps = new Map<RunningPod, 'asleep' | 'over'>();
  private readonly mounts: Mounts;
  private delayed = 0;

  constructor(private readonly options: KubeletOptions) {
    this.mounts = new Mounts(options.secrets, options.configMaps);
    options.pods.onChange((pod) => this.queue.add(keyOf(pod)));
    for (const source of [options.secrets, options.configMaps]) {
      source.onChange(({ metadata }) => {
        for (const pod of options.pods.list(metadata.namespace)) this.queue.add(keyOf(pod));
      });
    }
  }

  /** How often a start was delayed so far. */
  get delays(): number {
    return this.delayed;
  }

  /** Stops all pods at once. */
  async close(): Promise<void> {
    await this.queue.close();
    for (const pod of this.running.values()) pod.stop();
  }

  private async reconcile(key: string): Promise<void> {
    const pod = this.options.pods.get(key);
    const before = this.running.get(key);
    if (before !== undefined && before.uid !== pod?.metadata.uid) this.forget(key, before);
    if (pod === undefined) return;
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (before !== undefined && this.waitsToStop(key, pod, before)) return;
      if (before !== undefined) this.forget(key, before);
      return this.remove(pod);
    }
    if (['Succeeded', 'Failed'].includes(pod.status?.phase ?? '')) return;
    const running = this.running.get(key) ?? this.admit(key, pod);
    running.update(pod);
    if (running.needsStart()) await this.tryStart(pod, running);
    await this.writeStatus(pod, running);
  }

  private admit(key: string, pod: PodResource): RunningPod {
    const running = new RunningPod(pod, {
      network: this.options.network,
      mounts: this.mounts,
      programs: this.options.programs,
      onChange: () => this.onChange(key),
    });
    this.running.set(key, running);
    this.delay(key, running, this.options.readyDelayMs);
    return running;
  }

  private async tryStart(pod: PodResource, running: RunningPod): Promise<void> {
    const problem = this.problemOf(pod);
    if (problem !== undefined) {
      running.wait(problem);
      await this.recordEvent(pod, problem.reason === 'ContainerCreating' ? 'FailedMount' : 'Failed', problem.event);
      return;
    }
    if (Date.now() < (this.startAt.get(running) ?? 0)) return;
    for (const name of this.mounts.missingPullSecrets(pod)) {
      await this.recordEvent(
        pod,
        'FailedToRetrieveImagePullSecret',
        `Unable to retrieve some image pull secrets (${name}); attempting to pull the image may not succeed.`,
      );
    }
    running.start();
  }

  private problemOf(pod: PodResource): Problem | undefined {
    for (const container of pod.spec.containers) {
      const problem = this.mounts.problem(pod, container);
      if (problem !== undefined) return problem;
      if (UNKNOWN_IMAGE.test(container.image)) {
        return {
          reason: 'ImagePullBackOff',
          message: `Back-off pulling image "${container.image}": not found`,
          event: `Failed to pull image "${container.image}": not found`,
        };
      }
    }
    return undefined;
  }

  private onChange(key: string): void {
    const running = this.running.get(key);
    if (running?.needsStart() === true) this.delay(key, running, CRASH_BACKOFF_MS);
    this.queue.add(key);
  }

  private delay(key: string, running: RunningPod, ms: number): void {
    this.delayed += 1;
    this.startAt.set(running, Date.now() + ms);
    // Timers may fire a little early.
    this.queue.addAfter(key, ms + 1);
  }

  private forget(key: string, running: RunningPod): void {
    running.stop();
    this.running.delete(key);
    this.startAt.delete(running);
    this.lastSleeps.delete(running);
    this.written.delete(running);
  }

  /** A pod that is told to sleep before it stops goes on serving meanwhile, though no Service leads to it any more. */
  private waitsToStop(key: string, pod: PodResource, running: RunningPod): boolean {
    const seconds = Math.max(0, ...pod.spec.containers.map(({ lifecycle }) => lifecycle?.preStop?.sleep?.seconds ?? 0));
    const grace = (pod.metadata as { readonly deletionGracePeriodSeconds?: number }).deletionGracePeriodSeconds ?? seconds;
    const ms = Math.min(seconds, grace) * this.options.secondMs;
    const last = this.lastSleeps.get(running);
    if (!running.isServing || ms <= 0 || last === 'over') return false;
    if (last === undefined) {
      this.lastSleeps.set(running, 'asleep');
      void sleepAsOthersWork(ms).then(() => {
        if (this.lastSleeps.has(running)) this.lastSleeps.set(running, 'over');
        this.queue.add(key);
      });
    }
    return true;
  }

  private async writeStatus(pod: PodResource, running: RunningPod): Promise<void> {
    const status = running.status();
    const text = JSON.stringify(status);
    if (this.written.get(running) === text) return;
    await this.options.cluster.patchStatus(refOf(pod), { metadata: { uid: pod.metadata.uid }, status });
    this.written.set(running, text);
  }

  /** The node's last word on a pod that is being deleted. */
  private async remove(pod: PodResource): Promise<void> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } };
    try {
      await this.options.cluster.request({ method: 'DELETE', path: objectPath(refOf(pod)), body, about: refOf(pod) });
    } catch (error) {
      if (!isObjectMissing(error)) throw error;
    }
  }

  private async recordEvent(pod: PodResource, reason: string, message: string): Promise<void> {
    const { name, namespace = '', uid = '' } = pod.metadata;
    const now = new Date().toISOString();
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${shortDigest([uid, reason, message])}`, namespace },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
      type: 'Warning',
      reason,
      message,
      source: { component: 'kubelet' },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    };
    await this.options.cluster.create(event).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
  }
}

async function sleepAsOthersWork(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= NAP_MS) await sleep(Math.min(left, NAP_MS), undefined, { ref: false });
}
