// How activities ask the Temporal server itself, with the worker's own client.
import { Context } from '@temporalio/activity';
import { isGrpcServiceError, type Client } from '@temporalio/client';
import { FabricError, isFabricError, type ErrorCode } from '../src/errors/fabric-error';
import { mayWrite } from '../src/kubernetes/write-guard';
import { signal } from './activity-context';

/** gRPC status codes that no retry can mend. Source: google.rpc.Code. */
const REFUSALS: { readonly [code: number]: ErrorCode } = { 3: 'invalid', 7: 'forbidden', 16: 'forbidden' };

/**
 * Puts a question to the server.
 * @param what is asked for, as `The register of fabric f`
 * @throws unavailable when there is no answer; forbidden, invalid when the server refuses the question
 */
export async function askTemporal<T>(what: string, workflowId: string, question: (client: Client) => Promise<T>): Promise<T> {
  const { client, cancellationSignal } = Context.current();
  try {
    return await question(client);
  } catch (error) {
    cancellationSignal.throwIfAborted();
    if (isFabricError(error)) throw error;
    throw unanswered(what, workflowId, error);
  }
}

/** As `askTemporal`, for what changes something there: not done by an attempt that has lost its step meanwhile. @throws unavailable */
export async function tellTemporal<T>(what: string, workflowId: string, change: (client: Client) => Promise<T>): Promise<T> {
  await mayWrite(signal());
  return askTemporal(what, workflowId, change);
}

/** Why the server did not answer, in its own words. */
export function unanswered(what: string, workflowId: string, error: unknown): FabricError {
  const answer = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  const refusal = isGrpcServiceError(answer) ? REFUSALS[answer.code] : undefined;
  const why = isGrpcServiceError(answer) ? answer.details : answer instanceof Error ? answer.message : String(answer);
  return new FabricError({
    code: refusal ?? 'unavailable',
    message: `${what} does not answer: ${why}`,
    hint:
      refusal === 'forbidden'
        ? "The worker's credentials for Temporal must allow to query and signal workflows of its namespace."
        : `See \`temporal workflow describe --workflow-id ${workflowId}\`, and whether a worker runs.`,
    cause: error,
  });
}
