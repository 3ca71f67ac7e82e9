// Tells whether anybody works on a task queue, so that a command can say "no worker" instead of waiting for one.
import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';

const { TaskQueueType } = temporal.api.enums.v1;

/**
 * A live worker asks for tasks at least once a minute (the server's long poll), while the server remembers one that
 * died for five minutes.
 */
const ALIVE_MS = 90_000;
/** One that the server should have forgotten by now is told of by another clock than ours, which says nothing. */
const REMEMBERED_MS = 310_000;

/** Whether a worker has lately asked for tasks of this kind on the task queue. One that was killed counts for 90 seconds. */
export async function hasWorkers(client: Client, taskQueue: string, kind: 'workflow' | 'activity' = 'workflow'): Promise<boolean> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: kind === 'workflow' ? TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW : TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
  });
  return pollers.some(({ lastAccessTime }) => mayLive(Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000));
}

function mayLive(ageMs: number): boolean {
  return ageMs < ALIVE_MS || ageMs > REMEMBERED_MS;
}
