// Starting runs, and reading how they stand: what the CLI, the playground and the tests do with a Temporal client.
import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { statusQuery } from '../contract/messages';
import { prepareRun, requestDigest, type RunKind, type Runs } from '../contract/runs';
import type { RunStatus, StepStatus } from '../contract/status';
import { TASK_QUEUE } from '../contract/task-queue';
import { FabricError } from '../errors/fabric-error';
import { decodeWithin } from './readable';

/** A run that goes on in Temporal. */
export interface StartedRun<R> {
  readonly workflowId: string;
  readonly runId: string;
  /** Whether it was running already. */
  readonly attached: boolean;
  readonly handle: WorkflowHandle & { result(): Promise<R> };
}

/**
 * Starts a run, or finds the same request running already.
 * @throws invalid with every problem at once, before anything is sent
 * @throws conflict when a run of that id goes on with another input
 */
export async function startRun<K extends RunKind>(
  client: Client,
  kind: K,
  input: Runs[K]['input'],
  taskQueue: string = TASK_QUEUE,
): Promise<StartedRun<Runs[K]['result']>> {
  const prepared = prepareRun(kind, input);
  const { workflowId, request, summary } = prepared;
  const memo = { start: randomUUID(), request: requestDigest(prepared) };
  const started = await client.workflow.start(kind, {
    taskQueue,
    workflowId,
    args: [request],
    memo,
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: summary,
    ...(request.reason === undefined ? {} : { staticDetails: request.reason }),
  });
  // From here on the handle speaks of this very run, also after a later one of the same id.
  const handle = client.workflow.getHandle(workflowId, started.firstExecutionRunId);
  const { memo: found } = await handle.describe();
  // One without a memo was started by another client; its id says that it is the same request.
  if (found?.['request'] !== undefined && found['request'] !== memo.request) {
    throw new FabricError({
      code: 'conflict',
      message: `${workflowId} is running already, with other options`,
      hint: `Wait for it (\`skyfabric status ${workflowId} --watch\`) or end it (\`skyfabric cancel ${workflowId}\`), then try again.`,
    });
  }
  return { workflowId, runId: started.firstExecutionRunId, attached: found?.['start'] !== memo.start, handle };
}

/**
 * How a run stands: its own answer, and for steps that still run what Temporal knows of their attempts.
 * @throws WorkflowNotFoundError when there is no such run
 */
export async function readRunStatus(handle: WorkflowHandle): Promise<RunStatus> {
  const [status, description] = await Promise.all([handle.query(statusQuery), handle.describe()]);
  const activities = description.raw.pendingActivities ?? [];
  if (activities.length > 0) await decodeWithin(activities, handle.client);
  const pending = new Map(activities.map((activity) => [activity.activityId ?? '', activity]));
  const steps = status.steps.map((step) => withAttempts(step, pending.get(step.id)));
  // It could not say so itself.
  return { ...status, steps, ...(CUT_OFF.includes(description.status.name) ? { phase: 'terminated' } : {}) };
}

/** How Temporal calls the ends of runs that had no time to undo anything. */
const CUT_OFF: readonly string[] = ['TERMINATED', 'TIMED_OUT'];

function withAttempts(step: StepStatus, activity: temporal.api.workflow.v1.IPendingActivityInfo | undefined): StepStatus {
  if (activity === undefined || step.state !== 'running') return step;
  const { attempt, lastFailure } = activity;
  return {
    ...step,
    ...(attempt ? { attempts: attempt } : {}),
    ...(lastFailure?.message ? { lastError: { code: 'unavailable', message: lastFailure.message } } : {}),
  };
}
