// Reading what is owed to a fabric's peers through a Temporal client: the same for activities and for commands.
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { owedQuery } from './messages';
import type { OwedCleanup } from './owed';
import { settleWorkflowId } from './workflow-ids';

/** What is owed, oldest first; empty when nothing is. */
export async function readOwed(client: Client, fabric: string): Promise<readonly OwedCleanup[]> {
  const settling = client.workflow.getHandle(settleWorkflowId(fabric));
  try {
    // A closed workflow would still answer its query.
    const { status } = await settling.describe();
    return status.name === 'RUNNING' ? await settling.query(owedQuery) : [];
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return [];
    throw error;
  }
}
