// Lets SettleCleanup try everything that is owed now, until nothing is.
import { setTimeout as delay } from 'node:timers/promises';
import { retrySignal } from '../../src/contract/messages';
import { readOwed } from '../../src/contract/read-owed';
import { settleWorkflowId } from '../../src/contract/workflow-ids';
import type { TrialWorker } from './worker';

/** Nothing keeps it up any more: a few attempts are enough, also on a busy machine. */
const TIMEOUT_MS = 90_000;
const NUDGE_MS = 500;

/** @returns what is owed still after a while, one line each */
export async function settled({ environment: { client } }: TrialWorker, fabric: string, timeoutMs = TIMEOUT_MS): Promise<string[]> {
  const handle = client.workflow.getHandle(settleWorkflowId(fabric));
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const owed = await readOwed(client, fabric);
    if (owed.length === 0) return [];
    if (performance.now() > deadline) {
      return owed.map(
        ({ by, peers, left, attempts, lastError }) =>
          `${by} is owed ${left.join(', ')} on ${peers.join()} after ${attempts} attempts: ${lastError?.message ?? ''}`,
      );
    }
    // It may have ended just now.
    await handle.signal(retrySignal, {}).catch(() => undefined);
    await delay(NUDGE_MS);
  }
}
