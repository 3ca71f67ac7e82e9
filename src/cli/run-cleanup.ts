// What `skyfabric cleanup` tells the fabric's SettleCleanup workflow.
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';
import { forgetSignal, retrySignal } from '../contract/messages';
import { settleWorkflowId } from '../contract/workflow-ids';
import { FabricError } from '../errors/fabric-error';
import type { CommonFlags } from './common-flags';
import { withTemporal } from './temporal-session';

/** Lets everything that is owed be tried now; nothing happens when nothing is owed. */
export async function retryOwed(flags: CommonFlags, fabric: string): Promise<void> {
  await tell(flags, fabric, (handle) => handle.signal(retrySignal, {}));
}

/** Gives up what is owed to these peers. @throws not_found when nothing is owed to anybody */
export async function forgetOwed(flags: CommonFlags, fabric: string, peers: readonly string[]): Promise<void> {
  const told = await tell(flags, fabric, (handle) => handle.signal(forgetSignal, { peers }));
  if (told) return;
  throw new FabricError({
    code: 'not_found',
    message: `nothing is owed in fabric ${fabric}`,
    hint: 'See `skyfabric cleanup`; another fabric is named with --fabric.',
  });
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
