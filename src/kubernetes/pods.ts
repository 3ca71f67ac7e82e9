// Why pods are not ready, in the words of the cluster: the first thing an operator would look up by hand.
import type { Condition, KubeObject } from './kube-object';
import { cleanText } from './kubernetes-errors';

interface ContainerState {
  readonly running?: { /** Whole seconds. */ readonly startedAt?: string };
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: { readonly reason?: string; readonly message?: string; readonly exitCode?: number };
}

interface ContainerStatus {
  readonly name: string;
  readonly ready?: boolean;
  readonly restartCount?: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

/** The part of a pod that says how it fares. */
export interface Pod extends KubeObject {
  readonly status?: {
    readonly phase?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly Condition[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** One sentence part per pod that is not ready, joined by `; `; says so when there are no pods, or all are ready. */
export function explainPods(pods: readonly Pod[]): string {
  if (pods.length === 0) return 'no pod exists yet';
  const reasons = pods.flatMap((pod) => {
    const why = explainPod(pod);
    return why === undefined ? [] : [`pod ${pod.metadata.name}: ${why}`];
  });
  return reasons.length === 0 ? 'all pods are ready' : reasons.join('; ');
}

/** Why a pod is not ready; `undefined` when it is, or has done its work. */
export function explainPod({ metadata, status }: Pod): string | undefined {
  if (metadata.deletionTimestamp !== undefined) return 'is being deleted';
  if (status?.phase === 'Failed') return join('failed', status.reason, status.message);
  for (const container of [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]) {
    const why = explainContainer(container);
    if (why !== undefined) return `container ${container.name} ${why}`;
  }
  const condition = (type: string): Condition | undefined => status?.conditions?.find((one) => one.type === type && one.status === 'False');
  const scheduled = condition('PodScheduled');
  if (scheduled !== undefined) return join('not scheduled', scheduled.reason, scheduled.message);
  if (status?.phase === 'Succeeded' || status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true)
    return undefined;
  const ready = condition('Ready');
  return ready === undefined ? 'has not been scheduled yet' : join('not ready', ready.reason, ready.message);
}

function explainContainer({ state, lastState, restartCount = 0 }: ContainerStatus): string | undefined {
  const waiting = state?.waiting;
  if (waiting?.reason !== undefined && !['ContainerCreating', 'PodInitializing'].includes(waiting.reason)) {
    const last = lastState?.terminated;
    const ended =
      last === undefined
        ? undefined
        : `last exit code ${last.exitCode ?? 'unknown'}${restartCount > 0 ? ` after ${restartCount} restarts` : ''}`;
    return join('waits', waiting.reason, [waiting.message, ended].filter((part) => part !== undefined).join(', '));
  }
  const terminated = state?.terminated;
  if (terminated !== undefined && terminated.exitCode !== 0)
    return join(`exited with code ${terminated.exitCode ?? 'unknown'}`, terminated.reason, terminated.message);
  return undefined;
}

function join(what: string, reason: string | undefined, message: string | undefined): string {
  const details = [reason, message].filter((part) => part !== undefined && part !== '').map((part) => cleanText(part ?? ''));
  return details.length === 0 ? what : `${what}: ${details.join(', ')}`;
}
