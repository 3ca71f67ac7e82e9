// The proof that a connection works: a short Job on the importing cluster opens the imported service and moves bytes.
import type { KubeObject } from '../kubernetes/kube-object';
import { CLOSED_CONTAINER, CLOSED_POD } from './manifest';
import { PROBE_SCRIPT } from './probe-script';

export interface ProbeJobOptions {
  readonly name: string;
  readonly namespace: string;
  /** The imported service, as its callers name it. */
  readonly host: string;
  readonly port: number;
  /** How many times it is opened; each time must bring at least one byte. */
  readonly count: number;
  /** An image with `sh`, `cat`, `dd`, `timeout` and busybox's `nc`, as `busybox:1.36`. */
  readonly image: string;
  /** Labels of the Job and of its pod; access policies may ask for them. */
  readonly labels: Readonly<Record<string, string>>;
  /** Seconds to wait for the connection, and again for the first byte, each time. */
  readonly timeoutSeconds: number;
  /** The pod's account where an access policy asks for one; default: the namespace's. */
  readonly serviceAccount?: string | undefined;
}

export interface ProbeJobResource extends KubeObject {
  readonly spec: {
    readonly backoffLimit: number;
    readonly activeDeadlineSeconds: number;
    readonly ttlSecondsAfterFinished: number;
    readonly template: { readonly metadata: { readonly labels: Readonly<Record<string, string>> }; readonly spec: object };
  };
}

/** Name of the Job's only container: the status of that name holds the termination message. */
export const PROBE_CONTAINER = 'probe';

/** Which layer failed: the name, the TCP connection, the open connection, or the answer. */
const PROBE_REASONS = ['resolve', 'connect', 'reset', 'silent'] as const;
export type ProbeReason = (typeof PROBE_REASONS)[number];

export type ProbeResult =
  | { readonly ok: true; /** Received, in all attempts together. */ readonly bytes: number }
  | { readonly ok: false; /** From 1. */ readonly attempt: number; readonly reason: ProbeReason };

/** Pulling an image on a busy node is part of the deadline; the caller's own wait is usually shorter. */
const START_SECONDS = 120;

/**
 * The Job. Its pod ends with one line in its termination message (`parseProbeResult`) and exit code 0 or 1. What varies is
 * handed to the constant script in its environment, and never becomes part of it.
 */
export function probeJob(options: ProbeJobOptions): ProbeJobResource {
  const { name, namespace, labels, serviceAccount } = options;
  const env = {
    SKYFABRIC_PROBE_HOST: options.host,
    SKYFABRIC_PROBE_PORT: String(options.port),
    SKYFABRIC_PROBE_COUNT: String(options.count),
    SKYFABRIC_PROBE_TIMEOUT_SECONDS: String(options.timeoutSeconds),
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace, labels },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: START_SECONDS + 2 * options.count * options.timeoutSeconds,
      // Only when nobody was left to remove it.
      ttlSecondsAfterFinished: 600,
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 1,
          securityContext: CLOSED_POD,
          containers: [
            {
              name: PROBE_CONTAINER,
              image: options.image,
              imagePullPolicy: 'IfNotPresent',
              command: ['sh', '-c', PROBE_SCRIPT],
              env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
              resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
              securityContext: CLOSED_CONTAINER,
            },
          ],
        },
      },
    },
  };
}

/** Reads the termination message of the probe's container; `undefined` when the script did not come to its end. */
export function parseProbeResult(message: string): ProbeResult | undefined {
  const ok = /^ok bytes=(\d{1,15})\s*$/.exec(message);
  if (ok !== null) return { ok: true, bytes: Number(ok[1]) };
  const failed = /^failed attempt=(\d{1,9}) reason=(\w+)\s*$/.exec(message);
  const reason = PROBE_REASONS.find((known) => known === failed?.[2]);
  return failed === null || reason === undefined ? undefined : { ok: false, attempt: Number(failed[1]), reason };
}
