// What `skyfabric cleanup` tells the fabric's SettleCleanup workflow.
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { forgetSignal, retrySignal } from '../contract/messages';
import type { OwedCleanup } from '../contract/owed';
import { readOwed } from '../contract/read-owed';
import { settleWorkflowId } from '../contract/workflow-ids';
import { FabricError } from '../errors/fabric-error';
import type { CommonFlags } from './common-flags';
import { withTemporal } from './temporal-session';

const READ_DEADLINE_MS = 15_000;

/** Lets everything that is owed be tried now; nothing happens when nothing is owed. */
export async function retryOwed(flags: CommonFlags, fabric: string): Promise<void> {
  await tell(flags, fabric, (handle) => handle.signal(retrySignal, {}));
}

/** What is to be given up. */
export interface Forgotten {
  /** What is owed to these and to no others. */
  readonly peers: readonly string[];
  /** What is owed to the fabric itself. */
  readonly itself: boolean;
}

/**
 * Gives up what is owed to these peers and to no others, or to the fabric itself.
 * @returns in words: what is owed to one of the peers and to others as well, and stays owed; and what was given up of the fabric itself
 * @throws not_found when there is nothing of that kind, with what is owed
 */
export async function forgetOwed(
  flags: CommonFlags,
  fabric: string,
  { peers, itself }: Forgotten,
): Promise<{ readonly shared: readonly string[]; readonly left: readonly string[] }> {
  const owed = await withTemporal(flags.target, ({ client }) =>
    client.withDeadline(Date.now() + READ_DEADLINE_MS, () => readOwed(client, fabric)),
  );
  const isForgotten = (debt: OwedCleanup): boolean => (debt.peers.length === 0 ? itself : debt.peers.every((peer) => peers.includes(peer)));
  const kept = owed.filter((debt) => !isForgotten(debt));
  if (kept.length < owed.length) {
    const isHeard = await tell(flags, fabric, (handle) => handle.signal(forgetSignal, { peers, ...(itself ? { fabric: true } : {}) }));
    // It has just settled everything, and ended.
    if (!isHeard) return { shared: [], left: [] };
    return {
      shared: kept.filter((debt) => debt.peers.some((peer) => peers.includes(peer))).map(inWords),
      left: owed.filter((debt) => debt.peers.length === 0 && itself).map(({ by, left }) => `${left.join(', ')}, of ${by}`),
    };
  }
  const others = owed.map(inWords);
  const named = [...(peers.length === 0 ? [] : [`${peers.join(', ')} alone`]), ...(itself ? ['the fabric itself'] : [])];
  throw new FabricError({
    code: 'not_found',
    message: `nothing is owed in fabric ${fabric} to ${named.join(' or ')}${others.length === 0 ? '' : `; but ${others.join(', ')}`}`,
    hint: 'See `skyfabric cleanup`; what is owed to several peers is forgotten when all are named, and another fabric is named with --fabric.',
  });
}

function inWords({ by, peers }: OwedCleanup): string {
  return `${by} owes ${peers.length === 0 ? 'the fabric' : peers.join(' and ')}`;
}

async function tell({ target }: CommonFlags, fabric: string, signal: (handle: WorkflowHandle) => Promise<void>): Promise<boolean> {
  return withTemporal(target, async ({ client }) => {
    try {
      await signal(client.workflow.getHandle(settleWorkflowId(fabric)));
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  });
}
