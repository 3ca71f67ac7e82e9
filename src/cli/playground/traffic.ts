// Calls of the service from a simulated workload: real HTTP requests, counted by the cluster that answered.
import { errorText } from '../../temporal/command';
import type { SimulatedCluster } from '../../playground/simulated-cluster';
import { SERVICE } from './cast';

/** So many that an uneven distribution shows. */
export const CALLS = 20;

/** What came of some calls. */
export interface Tally {
  /** Answers by cluster. */
  readonly answers: Readonly<Record<string, number>>;
  readonly failures: number;
  /** Why the last failed call failed. */
  readonly lastFailure: string;
}

/** Where workloads call the service. */
export const SERVICE_URL = `http://${SERVICE.name}.${SERVICE.namespace}.svc:${SERVICE.port}/`;

/** Calls the service from a Deployment, one call after the other, each on a connection of its own. */
export async function callService(cluster: SimulatedCluster, caller: string, signal: AbortSignal): Promise<Tally> {
  const answers: Record<string, number> = {};
  let failures = 0;
  let lastFailure = '';
  for (let call = 0; call < CALLS; call += 1) {
    signal.throwIfAborted();
    try {
      const { body } = await cluster.fetchFrom({ namespace: SERVICE.namespace, name: caller }, SERVICE_URL);
      const { cluster: answered } = JSON.parse(body) as { readonly cluster: string };
      answers[answered] = (answers[answered] ?? 0) + 1;
    } catch (error) {
      failures += 1;
      lastFailure = errorText(error);
    }
  }
  return { answers, failures, lastFailure };
}

/** `south 10, west 10`; `20 refused (why)`. */
export function tallyText({ answers, failures, lastFailure }: Tally): string {
  const counts = Object.keys(answers)
    .sort()
    .map((cluster) => `${cluster} ${answers[cluster] ?? 0}`);
  const refused = failures === 0 ? [] : [`${failures} refused (${lastFailure.replace(/\.$/, '')})`];
  return [...counts, ...refused].join(', ');
}
