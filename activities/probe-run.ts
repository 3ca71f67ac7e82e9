// One run of a probe: its Job, the wait for its end, and its removal, whatever happens.
import { parseProbeResult, probeJob, type ProbeResult } from '../src/clusterlink/probe-job';
import { SCRIPT_CONTAINER, type ShellJobResource } from '../src/clusterlink/shell-job';
import type { ConnectionInput } from '../src/contract/activities';
import { FabricError } from '../src/errors/fabric-error';
import { composedObject, FABRIC_LABEL, MANAGED_BY, MANAGED_BY_LABEL, ORIGIN_LABEL } from '../src/kubernetes/claim-marks';
import type { Cluster } from '../src/kubernetes/cluster';
import { describeRef, refOf, type KubeObject } from '../src/kubernetes/kube-object';
import { cleanText, isAlreadyExists } from '../src/kubernetes/kubernetes-errors';
import { explainPods, type Pod } from '../src/kubernetes/pods';
import { watchUntil } from '../src/kubernetes/watch-until';
import type { Claimant } from '../src/model/claimant';
import type { Access } from '../src/model/connection';
import type { GatewayEndpoint } from '../src/model/peer';
import { signal, tellProgress, withinAttempt } from './activity-context';
import { inParallel } from './in-parallel';
import {
  CLEANUP_TIMEOUT_MS,
  PROBE_ANSWER_SECONDS,
  PROBE_CONNECT_SECONDS,
  PROBE_POD_TIMEOUT_MS,
  PROBE_SETTLE_TRIES,
  PROBE_START_TIMEOUT_MS,
} from './management-timeouts';

/** Which connection a probe is for; on its Job and pod. */
const PROBE_LABEL = 'skyfabric.io/probe';

/** Nothing ever sets it, so the pod is never ready: it carries the labels of admitted callers, and may fit a Service's selector. */
const READINESS_GATE = { conditionType: 'skyfabric.io/not-an-endpoint' };

/** Why a container that waits is not going to start. */
const STUCK = [
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
];

const HINT = 'Give an image that this cluster can run (`connect --probe-image`, `verify --image`), or connect with `--verify status`.';

type Input = ConnectionInput & { readonly access: Access };

/** A Job that ends with one line in its termination message. */
interface Reporting<R> {
  readonly job: ShellJobResource;
  readonly parse: (message: string) => R | undefined;
  /** How long the pod may take once it runs. */
  readonly runMs: number;
}

/**
 * Opens the service `count` times, where it is `at`, from a pod that the access policy admits.
 * @throws as runReporting does
 */
export async function runProbe(
  cluster: Cluster,
  input: Input & { readonly image: string; readonly count: number; readonly at: GatewayEndpoint },
): Promise<ProbeResult> {
  const { access, image, count, at } = input;
  const job = probeJob({
    ...admittedPod(input),
    ...at,
    count,
    image,
    connectSeconds: PROBE_CONNECT_SECONDS,
    timeoutSeconds: PROBE_ANSWER_SECONDS,
    settleTries: PROBE_SETTLE_TRIES,
    serviceAccount: access.clients?.serviceAccount,
  });
  return runReporting(cluster, input, { job, parse: parseProbeResult, runMs: 2 * count * PROBE_ANSWER_SECONDS * 1_000 });
}

/** Name, place and labels of a Job whose pod the access policy admits, and that `removeProbes` finds. */
export function admittedPod(input: Input): {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
} {
  const { claimant, access } = input;
  return {
    name: `probe-${claimant.id}`,
    namespace: namespaceOf(input),
    labels: {
      ...access.clients?.labels,
      [MANAGED_BY_LABEL]: MANAGED_BY,
      [FABRIC_LABEL]: claimant.fabric,
      [ORIGIN_LABEL]: 'created',
      [PROBE_LABEL]: claimant.id,
    },
  };
}

/**
 * Runs such a Job and returns what it reports; it is gone afterwards.
 * @throws unready when the pod cannot start or does not end, in the cluster's words; unavailable when it was taken away meanwhile
 */
export async function runReporting<R>(cluster: Cluster, input: Input, { job, parse, runMs }: Reporting<R>): Promise<R> {
  await removeProbes(cluster, input, signal());
  const created = await createJob(cluster, input.claimant, job);
  let result: R;
  try {
    result = await resultOf(cluster, created, parse, runMs);
  } catch (error) {
    // The step may be another attempt's by now, whose Job has the same name and labels: nobody is asked before this write, so it takes its
    // own Job only. The first failure is what counts; a Job that stays is found by the next attempt or `removeProbe`, and goes by itself
    // after ten minutes.
    await removeJob(cluster, created, AbortSignal.timeout(CLEANUP_TIMEOUT_MS)).catch(() => false);
    throw error;
  }
  await removeProbes(cluster, input, signal());
  return result;
}

/** Removes every Job that this connection's probes have left, with its pods; says whether there was any. */
export async function removeProbes(cluster: Cluster, { claimant, service, access }: Input, abort: AbortSignal): Promise<boolean> {
  const namespace = namespaceOf({ service, access });
  const labelSelector = `${FABRIC_LABEL}=${claimant.fabric},${PROBE_LABEL}=${claimant.id}`;
  const { items } = await cluster.list<KubeObject>({ apiVersion: 'batch/v1', kind: 'Job', namespace, labelSelector }, abort);
  const removed = await inParallel(items, (job) => removeJob(cluster, job, abort));
  return removed.includes(true);
}

/** Removes this very Job with its pods, not a later one of its name. */
function removeJob(cluster: Cluster, job: KubeObject, abort: AbortSignal): Promise<boolean> {
  return cluster.delete(refOf(job), { uid: job.metadata.uid, propagationPolicy: 'Background', signal: abort });
}

function namespaceOf({ service, access }: Pick<Input, 'service' | 'access'>): string {
  return access.clients?.namespace ?? service.namespace;
}

async function createJob(cluster: Cluster, { fabric, ...mark }: Claimant, job: ShellJobResource): Promise<KubeObject> {
  const { template } = job.spec;
  const { labels = {} } = job.metadata;
  const spec = { ...job.spec, template: { ...template, spec: { ...template.spec, readinessGates: [READINESS_GATE] } } };
  try {
    // With its claim, so that a run which is undone beside this one does not take it for its own.
    return await cluster.create(
      composedObject({ ref: refOf(job), fabric, claims: [{ ...mark, need: {} }], composed: { labels, spec } }),
      signal(),
    );
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await requireOwn(cluster, job, error);
    throw new FabricError({
      code: 'pending',
      message: `${describeRef(refOf(job))} of an earlier attempt is still being deleted.`,
      hint: 'It is started anew once that is gone.',
      object: describeRef(refOf(job)),
      cause: error,
    });
  }
}

/** A Job that is in the way goes by itself only if it is one of ours. @throws conflict */
async function requireOwn(cluster: Cluster, job: ShellJobResource, cause: unknown): Promise<void> {
  const { apiVersion, kind, name, namespace } = refOf(job);
  const query = { apiVersion, kind, namespace, fieldSelector: `metadata.name=${name}` };
  const [standing] = (await cluster.list<KubeObject>(query, signal())).items;
  const { labels = {} } = job.metadata;
  if (standing === undefined || standing.metadata.labels?.[PROBE_LABEL] === labels[PROBE_LABEL]) return;
  throw new FabricError({
    code: 'conflict',
    message: `${describeRef(refOf(job))} on ${cluster.toString()} was made by somebody else, so the probe of that name cannot run.`,
    hint: 'Remove that Job, if nobody needs it, and try again.',
    object: describeRef(refOf(job)),
    cause,
  });
}

async function resultOf<R>(cluster: Cluster, job: KubeObject, parse: Reporting<R>['parse'], runMs: number): Promise<R> {
  const query = {
    apiVersion: 'v1',
    kind: 'Pod',
    namespace: job.metadata.namespace,
    labelSelector: `${PROBE_LABEL}=${job.metadata.labels?.[PROBE_LABEL] ?? ''}`,
  };
  const isOwn = ({ metadata }: Pod): boolean => metadata.ownerReferences?.some(({ uid }) => uid === job.metadata.uid) === true;
  const wait = { query, hint: HINT, signal: signal(), onProgress: tellProgress };
  const about = describeRef(refOf(job));
  await watchUntil<Pod, true>(cluster, {
    ...wait,
    until: (pods) => (pods.some(isOwn) ? true : undefined),
    describe: () => `${about} has no pod`,
    timeoutMs: withinAttempt(PROBE_POD_TIMEOUT_MS),
  }).catch(async (error: unknown) => {
    signal().throwIfAborted();
    const why = await lastEvent(cluster, job);
    throw why === undefined
      ? error
      : new FabricError({ code: 'unready', message: `${about} gets no pod: ${why}.`, hint: HINT, object: about, cause: error });
  });
  return watchUntil<Pod, R>(cluster, {
    ...wait,
    until: (pods) => {
      const own = pods.filter(isOwn);
      const result = own.map((pod) => reportOf(pod, parse)).find((report) => report !== undefined);
      if (result !== undefined) return result;
      // It had one, and gets no other: its Job was taken away, or its node was drained.
      if (own.every(({ metadata }) => metadata.deletionTimestamp !== undefined)) {
        throw new FabricError({
          code: 'unavailable',
          message: `${about} on ${cluster.toString()} lost its pod before that reported: somebody removed the Job or the pod.`,
          hint: 'It is started anew.',
          object: about,
        });
      }
      if (own.some(isStuck)) {
        throw new FabricError({
          code: 'unready',
          message: `The probe on ${cluster.toString()} cannot start: ${explainPods(own)}.`,
          hint: HINT,
          object: about,
        });
      }
      return undefined;
    },
    describe: (pods) => {
      const own = pods.filter(isOwn);
      // A probe that runs is never ready: that is its readiness gate's purpose.
      return `${about} has not ended: ${own.every(({ status }) => status?.phase === 'Running') ? 'its pod still runs' : explainPods(own)}`;
    },
    timeoutMs: withinAttempt(PROBE_START_TIMEOUT_MS + runMs),
  });
}

function reportOf<R>({ status }: Pod, parse: Reporting<R>['parse']): R | undefined {
  const message = status?.containerStatuses?.find(({ name }) => name === SCRIPT_CONTAINER)?.state?.terminated?.message;
  return message === undefined ? undefined : parse(message);
}

/** Also a pod that ended without a report: its image lacks a shell, or it was evicted. */
function isStuck({ status }: Pod): boolean {
  if (status?.phase === 'Failed' || status?.phase === 'Succeeded') return true;
  return status?.containerStatuses?.some(({ state }) => STUCK.includes(state?.waiting?.reason ?? '')) === true;
}

interface Event extends KubeObject {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** What Kubernetes last warned of an object, for who may read it: a quota or a policy that forbids its pod stands nowhere else. */
async function lastEvent(cluster: Cluster, object: KubeObject): Promise<string | undefined> {
  const query = {
    apiVersion: 'v1',
    kind: 'Event',
    namespace: object.metadata.namespace,
    fieldSelector: `involvedObject.uid=${object.metadata.uid ?? ''}`,
  };
  const { items } = await cluster.list<Event>(query, signal()).catch(() => ({ items: [] }));
  const last = items.filter(({ type }) => type === 'Warning').at(-1);
  return last === undefined ? undefined : cleanText([last.reason, last.message].filter((part) => part !== undefined).join(': '));
}
