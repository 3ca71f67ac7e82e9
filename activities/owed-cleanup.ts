// Owed cleanup, kept by the fabric's SettleCleanup workflow: handed over by a signal that starts it, waited for, and given up.
import { Context } from '@temporalio/activity';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import type { Steps } from '../src/contract/activities';
import { forgetSignal, oweSignal, retrySignal } from '../src/contract/messages';
import { concerns, owedFor, type SettleInput } from '../src/contract/debts';
import type { OwedCleanup } from '../src/contract/owed';
import { readOwed } from '../src/contract/read-owed';
import { FABRIC_ATTRIBUTE } from '../src/contract/search-attributes';
import { settleWorkflowId } from '../src/contract/workflow-ids';
import { FabricError } from '../src/errors/fabric-error';
import { askTemporal, tellTemporal } from './ask-temporal';

/** `oweCleanup`, `awaitSettled`, `forgetOwed`. @throws unavailable */
export function owedCleanupActivities(): Pick<Steps, 'oweCleanup' | 'awaitSettled' | 'forgetOwed'> {
  return {
    async oweCleanup({ fabric, debts }) {
      const input: SettleInput = { fabric };
      await tell(fabric, (client) =>
        client.workflow.signalWithStart('SettleCleanup', {
          workflowId: settleWorkflowId(fabric),
          taskQueue: Context.current().info.taskQueue,
          args: [input],
          signal: oweSignal,
          signalArgs: [debts],
          typedSearchAttributes: new TypedSearchAttributes([{ key: FABRIC_ATTRIBUTE, value: fabric }]),
          staticSummary: `Owed cleanup of fabric ${fabric}`,
        }),
      );
      return { changed: true };
    },

    async awaitSettled({ fabric, peers, undoOnly = false }) {
      const isAwaited = ({ kind }: OwedCleanup): boolean => !undoOnly || kind === 'undo';
      const owed = await ask(fabric, async (client) => {
        const found = owedTo(peers, await readOwed(client, fabric)).filter(isAwaited);
        if (found.length === 0) return found;
        await client.workflow.getHandle(settleWorkflowId(fabric)).signal(retrySignal, { peers, undoOnly }).catch(ignoreMissing);
        return owedTo(peers, await readOwed(client, fabric)).filter(isAwaited);
      });
      const [first] = owed;
      if (first === undefined) return { changed: false, note: 'nothing is owed' };
      throw stillOwed(fabric, first, owed.length);
    },

    async forgetOwed({ fabric, peers }) {
      await tell(fabric, (client) =>
        client.workflow.getHandle(settleWorkflowId(fabric)).signal(forgetSignal, { peers, undoOnly: true }).catch(ignoreMissing),
      );
      return { changed: true };
    },
  };
}

function ask<T>(fabric: string, question: (client: Client) => Promise<T>): Promise<T> {
  return askTemporal(`The cleanup of fabric ${fabric}`, settleWorkflowId(fabric), question);
}

function tell(fabric: string, change: (client: Client) => Promise<unknown>): Promise<unknown> {
  return tellTemporal(`The cleanup of fabric ${fabric}`, settleWorkflowId(fabric), change);
}

/** What concerns these peers, or the fabric itself, and the run that asks. */
function owedTo(peers: readonly string[], owed: readonly OwedCleanup[]): OwedCleanup[] {
  return owedFor(Context.current().info.workflowType, owed).filter((one) => concerns(one.peers, peers));
}

function stillOwed(fabric: string, { by, peers, left, attempts, lastError }: OwedCleanup, count: number): FabricError {
  const why = lastError === undefined ? 'it is being tried' : `${attempts} attempts failed, the last with: ${lastError.message}`;
  const more = count === 1 ? '' : ` (and ${count - 1} more)`;
  return new FabricError({
    code: 'pending',
    message: `${peers.length === 0 ? `fabric ${fabric}` : peers.join(', ')} is owed the cleanup of ${by}${more}: ${left.join(', ')}; ${why}`,
    hint:
      peers.length === 0
        ? `It is tried by itself until it succeeds; see \`skyfabric cleanup --fabric ${fabric}\`, then run this again. What can never be done is given up with --forget-fabric.`
        : `It is done by itself once the cluster answers; see \`skyfabric cleanup --fabric ${fabric}\`. Then run this again.`,
    ...(peers[0] === undefined ? {} : { peer: peers[0] }),
  });
}

/** It has just settled everything, and ended. */
function ignoreMissing(error: unknown): void {
  if (!(error instanceof WorkflowNotFoundError)) throw error;
}
