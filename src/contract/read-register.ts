// Reading a fabric's register through a Temporal client: the same for activities and for commands.
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { registerQuery } from './messages';
import type { Register } from './register';
import { guardWorkflowId } from './workflow-ids';

/** The register of a fabric; `undefined` when there is no such fabric. */
export async function readRegister(client: Client, fabric: string): Promise<Register | undefined> {
  const guard = client.workflow.getHandle(guardWorkflowId(fabric));
  try {
    // A closed workflow would still answer its query, with a register that nobody keeps any more.
    const { status } = await guard.describe();
    if (status.name !== 'RUNNING') return undefined;
    const register = await guard.query(registerQuery);
    // The first bootstrap of a fabric is at work, or the last teardown still is.
    return register.peers.length === 0 ? undefined : register;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
