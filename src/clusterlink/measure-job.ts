// The measurement of a link: a short Job on one side calls an echo server on the other, and reports how long bytes take there and back.
import { MEASURE_SCRIPT } from './measure-script';
import type { ProbeReason } from './probe-job';
import { shellJob, type ShellJobOptions, type ShellJobResource } from './shell-job';

/** `image` needs what the probe's needs, and `seq`, `cmp` and `wc`. */
export interface MeasureJobOptions extends Pick<ShellJobOptions, 'name' | 'namespace' | 'image' | 'labels'> {
  /** The imported echo server, as its callers name it. */
  readonly host: string;
  readonly port: number;
  /** How many connections are opened for the latency. */
  readonly calls: number;
  /** How often 1 MiB goes there and back at most. */
  readonly rounds: number;
  /** Seconds for each connection with its answer. */
  readonly timeoutSeconds: number;
  /** Seconds for all that is sent in large. */
  readonly transferSeconds: number;
  /** Seconds that a failure is forgiven before the first answer: what is new becomes known a little late. */
  readonly settleSeconds: number;
}

/** What of a link failed; `damaged`: bytes came back, but not those that were sent. */
export type MeasureReason = ProbeReason | 'damaged';
const REASONS: readonly MeasureReason[] = ['resolve', 'connect', 'reset', 'silent', 'damaged'];

export type MeasureResult =
  | {
      readonly ok: true;
      /** Connections, and what they took together, each from its opening to the whole answer. */
      readonly calls: number;
      readonly callsMs: number;
      /** Times that 1 MiB went there and back, and what they took together. To 10 ms. */
      readonly rounds: number;
      readonly roundsMs: number;
    }
  | { readonly ok: false; readonly payload: 'small' | 'large'; readonly reason: MeasureReason };

/** Bytes of the large payload. */
export const LARGE_BYTES = 1_048_576;

const SCRATCH = { path: '/scratch', sizeLimit: '4Mi' };

/** The Job. Its pod ends with one line in its termination message (`parseMeasureResult`) and exit code 0 or 1. */
export function measureJob(options: MeasureJobOptions): ShellJobResource {
  const { host, port, calls, rounds, timeoutSeconds, transferSeconds, settleSeconds, ...rest } = options;
  return shellJob({
    ...rest,
    script: MEASURE_SCRIPT,
    env: {
      SKYFABRIC_MEASURE_HOST: host,
      SKYFABRIC_MEASURE_PORT: String(port),
      SKYFABRIC_MEASURE_CALLS: String(calls),
      SKYFABRIC_MEASURE_ROUNDS: String(rounds),
      SKYFABRIC_MEASURE_TIMEOUT_SECONDS: String(timeoutSeconds),
      SKYFABRIC_MEASURE_TRANSFER_SECONDS: String(transferSeconds),
      SKYFABRIC_MEASURE_SETTLE_SECONDS: String(settleSeconds),
    },
    seconds: settleSeconds + calls * timeoutSeconds + transferSeconds,
    scratch: SCRATCH,
  });
}

/** Reads the termination message of the measurement's container; `undefined` when the script did not come to its end. */
export function parseMeasureResult(message: string): MeasureResult | undefined {
  const [, ...numbers] = /^ok calls=(\d{1,9}) calls_ms=(\d{1,9}) rounds=(\d{1,9}) rounds_ms=(\d{1,9})\s*$/.exec(message) ?? [];
  const [calls, callsMs, rounds, roundsMs] = numbers.map(Number);
  if (calls !== undefined && callsMs !== undefined && rounds !== undefined && roundsMs !== undefined)
    return { ok: true, calls, callsMs, rounds, roundsMs };
  const [, size, why] = /^failed payload=(small|large) reason=(\w+)\s*$/.exec(message) ?? [];
  const reason = REASONS.find((known) => known === why);
  if (size === undefined || reason === undefined) return undefined;
  return { ok: false, payload: size === 'small' ? 'small' : 'large', reason };
}
