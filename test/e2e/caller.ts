// Calls of a service from inside a cluster: a Job calls it with wget, each time over a new connection, and counts the answers.
import type { Cluster } from '../../src/kubernetes/cluster';
import { refOf, type KubeObject } from '../../src/kubernetes/kube-object';
import { explainPods, type Pod } from '../../src/kubernetes/pods';
import { watchUntil } from '../../src/kubernetes/watch-until';

/** Answers by their text; calls that brought none are under `failed: <why>`. */
export type Tally = Readonly<Record<string, number>>;

export interface Calls {
  readonly namespace: string;
  readonly url: string;
  readonly count: number;
  /** Between two calls; default none. */
  readonly pauseSeconds?: number;
  /** Labels of the calling pod. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Calls that have begun. */
export interface RunningCalls {
  /** Resolves when all calls have been made. */
  tally(): Promise<Tally>;
}

/**
 * Counts go to the termination message. The words of a failure differ between busybox's wget and GNU's; three kinds are told apart.
 * ClusterLink refuses a caller whose address the cluster has not told yet, so counting begins with the first answer, or after 5 s;
 * and an init container gives the cluster time to tell it, as a first answer may also come from a replica nearby.
 */
const SCRIPT = `
call() {
  if answer=$(wget -q -t 1 -T 3 -O - "$URL" 2>&1); then echo "$answer"; return; fi
  case $answer in
    *'bad address'* | *resol*) echo 'failed: no such name' ;;
    *'timed out'*) echo 'failed: timed out' ;;
    *) echo 'failed: no answer' ;;
  esac
}
tries=25
while case $(call) in 'failed: no answer') [ "$tries" -gt 0 ] ;; *) false ;; esac; do
  tries=$((tries - 1))
  sleep 0.2
done
calls=0
while [ "$calls" -lt "$COUNT" ]; do
  calls=$((calls + 1))
  call
  sleep "$PAUSE"
done | sort | uniq -c >/dev/termination-log
`;

const CALLER_LABEL = 'e2e/caller';
const START_TIMEOUT_MS = 120_000;

let callers = 0;

/** Starts calling, and resolves when the pod runs. @throws unready */
export async function beginCalls(cluster: Cluster, calls: Calls): Promise<RunningCalls> {
  callers += 1;
  const job = callerJob(`caller-${Date.now()}-${callers}`, calls);
  await cluster.create(job);
  await awaitPod(cluster, job, 'running', START_TIMEOUT_MS, ({ status }) =>
    status?.phase === 'Pending' || status?.phase === undefined ? undefined : true,
  );
  return {
    async tally() {
      const timeoutMs = 60_000 + calls.count * ((calls.pauseSeconds ?? 0) + 3.5) * 1_000;
      const message = await awaitPod(
        cluster,
        job,
        'done',
        timeoutMs,
        ({ status }) => status?.containerStatuses?.[0]?.state?.terminated?.message,
      );
      await cluster.delete(refOf(job));
      const tally = tallyOf(message);
      const counted = Object.values(tally).reduce((sum, count) => sum + count, 0);
      if (counted !== calls.count) throw new Error(`Job ${job.metadata.name} made ${counted} of ${calls.count} calls: ${message}`);
      return tally;
    },
  };
}

/** How many calls brought no answer. */
export function failuresOf(tally: Tally): number {
  return Object.entries(tally).reduce((sum, [answer, count]) => sum + (answer.startsWith('failed: ') ? count : 0), 0);
}

function awaitPod<R>(
  cluster: Cluster,
  { metadata }: KubeObject,
  state: string,
  timeoutMs: number,
  until: (pod: Pod) => R | undefined,
): Promise<R> {
  return watchUntil<Pod, R>(cluster, {
    query: { apiVersion: 'v1', kind: 'Pod', namespace: metadata.namespace, labelSelector: `${CALLER_LABEL}=${metadata.name}` },
    until: ([pod]) => (pod === undefined ? undefined : until(pod)),
    describe: (pods) => `Job ${metadata.name} is not ${state}: ${explainPods(pods)}`,
    timeoutMs,
  });
}

function callerJob(name: string, { namespace, url, count, pauseSeconds = 0, labels = {} }: Calls): KubeObject & { readonly spec: object } {
  const env = { URL: url, COUNT: String(count), PAUSE: String(pauseSeconds) };
  const image = { image: 'busybox:1.36', imagePullPolicy: 'IfNotPresent' };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace },
    spec: {
      backoffLimit: 0,
      template: {
        metadata: { labels: { ...labels, [CALLER_LABEL]: name } },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 0,
          enableServiceLinks: false,
          initContainers: [{ ...image, name: 'settle', command: ['true'] }],
          containers: [
            {
              ...image,
              name: 'caller',
              command: ['sh', '-c', SCRIPT],
              env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
            },
          ],
        },
      },
    },
  };
}

function tallyOf(message: string): Tally {
  const lines = message.split('\n').map((line) => /^\s*(\d+) (.*)$/.exec(line));
  return Object.fromEntries(lines.flatMap((match) => (match === null ? [] : [[match[2] ?? '', Number(match[1])]])));
}
