// How a link carries bytes: measured from a pod on the importing peer, against an echo server on the exporting one.
import { LARGE_BYTES, measureJob, parseMeasureResult, type MeasureReason } from '../src/clusterlink/measure-job';
import type { Steps } from '../src/contract/activities';
import type { LinkMeasure } from '../src/contract/results';
import { FabricError } from '../src/errors/fabric-error';
import type { ActivityDeps } from './deps';
import {
  MEASURE_CALLS,
  MEASURE_ROUNDS,
  MEASURE_SETTLE_SECONDS,
  MEASURE_TRANSFER_SECONDS,
  PROBE_ANSWER_SECONDS,
} from './management-timeouts';
import { admittedPod, runReporting } from './probe-run';
import { diagnose, LAYERS } from './verify';

const WORDS: Readonly<Record<MeasureReason, string>> = {
  ...LAYERS,
  silent: 'the connection stands, but not all came back in time',
  damaged: 'what came back is not what was sent',
};

/** The clock ticks in hundredths of a second, so nothing takes less than one. */
const TICK_MS = 10;

/** `measureLink`. */
export function measureActivities({ clusters }: ActivityDeps): Pick<Steps, 'measureLink'> {
  return {
    async measureLink(input) {
      const { peer, service, sources, image } = input;
      const cluster = clusters.cluster(peer);
      const host = `${service.name}.${service.namespace}.svc`;
      const job = measureJob({
        ...admittedPod(input),
        host,
        port: service.port,
        image,
        calls: MEASURE_CALLS,
        rounds: MEASURE_ROUNDS,
        timeoutSeconds: PROBE_ANSWER_SECONDS,
        transferSeconds: MEASURE_TRANSFER_SECONDS,
        settleSeconds: MEASURE_SETTLE_SECONDS,
      });
      const seconds = MEASURE_SETTLE_SECONDS + MEASURE_CALLS * PROBE_ANSWER_SECONDS + MEASURE_TRANSFER_SECONDS;
      const result = await runReporting(cluster, input, { job, parse: parseMeasureResult, runMs: seconds * 1_000 });
      if (!result.ok) {
        const findings = await diagnose(cluster, input);
        throw new FabricError({
          code: 'unreachable',
          message: `The ${result.payload} payload did not come back from ${sources.join(', ')} to peer ${peer.name}: ${WORDS[result.reason]}${findings.length === 0 ? '' : ` (${findings.join('; ')})`}.`,
          hint: 'See `skyfabric status` for links, and the logs of both data planes.',
          peer: peer.name,
          object: `Import ${service.namespace}/${service.name}`,
        });
      }
      const measure = measureOf(result);
      return { changed: false, note: noteOf(measure), ...measure };
    },
  };
}

function measureOf({
  calls,
  callsMs,
  rounds,
  roundsMs,
}: {
  calls: number;
  callsMs: number;
  rounds: number;
  roundsMs: number;
}): LinkMeasure {
  const bytes = rounds * LARGE_BYTES;
  return {
    latencyMs: Math.max(callsMs, TICK_MS) / calls,
    bytesPerSecond: Math.round((bytes * 1_000) / Math.max(roundsMs, TICK_MS)),
    bytes,
  };
}

function noteOf({ latencyMs, bytesPerSecond }: LinkMeasure): string {
  return `${latencyMs.toFixed(0)} ms, ${(bytesPerSecond / LARGE_BYTES).toFixed(1)} MiB/s`;
}
