// A command's conversation with Temporal: connected, told apart when it fails, and closed at the end.
import { setTimeout as sleep } from 'node:timers/promises';
import { isGrpcServiceError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { FabricError } from '../errors/fabric-error';
import { errorText } from '../temporal/command';
import { connectClient, type TemporalTarget } from '../temporal/connection';
import { hasWorkers } from '../temporal/worker-presence';

/** A connected client, and what it is connected to. */
export interface TemporalSession {
  readonly client: Client;
  readonly address: string;
  readonly namespace: string;
}

/** A worker that has just been started may need a moment to ask for its first task. */
const WORKER_LOOKS = 5;
const WORKER_LOOK_PAUSE_MS = 250;

const INVALID_ARGUMENT = 3;

/**
 * Connects, lets `use` work, and closes.
 * @throws what connectClient throws; `not_found` for a workflow that is not there; `unavailable` for other refusals of the server
 */
export async function withTemporal<T>(target: TemporalTarget, use: (session: TemporalSession) => Promise<T>): Promise<T> {
  const connected = await connectClient(target);
  const { client, address, namespace } = connected;
  try {
    return await use({ client, address, namespace });
  } catch (error) {
    throw told(error, address, namespace);
  } finally {
    await connected.close();
  }
}

/** Makes sure that somebody works on the task queue, and on those of peers. @throws unavailable, with how to start a worker */
export async function requireWorkers(
  { client, address, namespace }: TemporalSession,
  taskQueue: string,
  peerQueues: readonly string[] = [],
): Promise<void> {
  const missing = [
    ...((await found(client, taskQueue, 'workflow')) ? [] : [taskQueue]),
    ...(await Promise.all(peerQueues.map(async (queue) => ((await found(client, queue, 'activity')) ? [] : [queue])))).flat(),
  ];
  if (missing.length === 0) return;
  const where = `of namespace ${namespace} at ${address}`;
  throw new FabricError({
    code: 'unavailable',
    message: `no worker listens on task queue ${missing.join(', ')} ${where}, so nothing would happen`,
    hint: missing.includes(taskQueue)
      ? 'Start one with `skyfabric worker` (or `skyfabric dev`, which brings a server too) and run the command again.'
      : "Start one inside the peer's network with `skyfabric worker --activities-only --task-queue …`.",
  });
}

async function found(client: Client, taskQueue: string, kind: 'workflow' | 'activity'): Promise<boolean> {
  for (let look = 1; look < WORKER_LOOKS; look += 1) {
    if (await hasWorkers(client, taskQueue, kind)) return true;
    await sleep(WORKER_LOOK_PAUSE_MS);
  }
  return hasWorkers(client, taskQueue, kind);
}

function told(error: unknown, address: string, namespace: string): unknown {
  if (error instanceof WorkflowNotFoundError) {
    return new FabricError({
      code: 'not_found',
      message: `there is no run ${error.workflowId} in namespace ${namespace} at ${address}`,
      hint: 'See `skyfabric history` for the runs there are.',
      cause: error,
    });
  }
  const answer = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  if (!isGrpcServiceError(answer)) return error;
  const unknownAttribute = (answer.code as number) === INVALID_ARGUMENT && answer.details.includes('search attribute');
  return new FabricError({
    code: 'unavailable',
    message: unknownAttribute
      ? `namespace ${namespace} at ${address} knows no fabrics yet`
      : `the Temporal server at ${address} did not answer as it should: ${errorText(answer)}`,
    hint: unknownAttribute
      ? 'Start a worker first (`skyfabric worker`): it registers what searching needs.'
      : 'Runs go on by themselves; try again in a moment.',
    cause: error,
  });
}
