// The proof that a connection works: a short Job on the importing cluster opens the imported service and moves bytes.
import { PROBE_SCRIPT } from './probe-script';
import { shellJob, type ShellJobOptions, type ShellJobResource } from './shell-job';

/** `image` needs `sh`, `cat`, `dd`, `timeout` and busybox's `nc`, as `busybox:1.36` has them. */
export interface ProbeJobOptions extends Pick<ShellJobOptions, 'name' | 'namespace' | 'image' | 'labels' | 'serviceAccount'> {
  /** The imported service, as its callers name it. */
  readonly host: string;
  readonly port: number;
  /** How many times it is opened; each time must bring at least one byte. */
  readonly count: number;
  /** Seconds to wait for each connection: it ends at the data plane, which is near. */
  readonly connectSeconds: number;
  /** Seconds to wait for the first byte, each time. */
  readonly timeoutSeconds: number;
  /** How often a failure is forgiven before anything has come: what is new becomes known a little late. */
  readonly settleTries: number;
}

/** Which layer failed: the name, the TCP connection, the open connection, or the answer. */
const PROBE_REASONS = ['resolve', 'connect', 'reset', 'silent'] as const;
export type ProbeReason = (typeof PROBE_REASONS)[number];

export type ProbeResult =
  | { readonly ok: true; /** Received, in all attempts together. */ readonly bytes: number }
  | { readonly ok: false; /** From 1. */ readonly attempt: number; readonly reason: ProbeReason };

/**
 * The Job. Its pod ends with one line in its termination message (`parseProbeResult`) and exit code 0 or 1. What varies is
 * handed to the constant script in its environment, and never becomes part of it.
 */
export function probeJob(options: ProbeJobOptions): ShellJobResource {
  const { host, port, count, connectSeconds, timeoutSeconds, settleTries, ...rest } = options;
  return shellJob({
    ...rest,
    script: PROBE_SCRIPT,
    env: {
      SKYFABRIC_PROBE_HOST: host,
      SKYFABRIC_PROBE_PORT: String(port),
      SKYFABRIC_PROBE_COUNT: String(count),
      SKYFABRIC_PROBE_CONNECT_SECONDS: String(connectSeconds),
      SKYFABRIC_PROBE_TIMEOUT_SECONDS: String(timeoutSeconds),
      SKYFABRIC_PROBE_SETTLE_TRIES: String(settleTries),
    },
    seconds: 2 * count * timeoutSeconds,
  });
}

/** Reads the termination message of the probe's container; `undefined` when the script did not come to its end. */
export function parseProbeResult(message: string): ProbeResult | undefined {
  const ok = /^ok bytes=(\d{1,15})\s*$/.exec(message);
  if (ok !== null) return { ok: true, bytes: Number(ok[1]) };
  const failed = /^failed attempt=(\d{1,9}) reason=(\w+)\s*$/.exec(message);
  const reason = PROBE_REASONS.find((known) => known === failed?.[2]);
  return failed === null || reason === undefined ? undefined : { ok: false, attempt: Number(failed[1]), reason };
}
