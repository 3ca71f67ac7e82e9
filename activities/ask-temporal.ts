// How activities ask the Temporal server itself, with the worker's own client.
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { FabricError, isFabricError } from '../src/errors/fabric-error';

/** Puts a question to the server. @param what is asked for, as `The register of fabric f` @throws unavailable when there is no answer */
export async function askTemporal<T>(what: string, workflowId: string, question: (client: Client) => Promise<T>): Promise<T> {
  const { client, cancellationSignal } = Context.current();
  try {
    return await question(client);
  } catch (cause) {
    cancellationSignal.throwIfAborted();
    if (isFabricError(cause)) throw cause;
    throw new FabricError({
      code: 'unavailable',
      message: `${what} does not answer.`,
      hint: `See \`temporal workflow describe --workflow-id ${workflowId}\`, and whether a worker runs.`,
      cause,
    });
  }
}
