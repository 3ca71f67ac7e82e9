// What Temporal tells of an incident: the fabric's runs, their descriptions, histories and steps, and the register's own workflow.
import type { WorkflowExecutionDescription } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { FABRIC_ATTRIBUTE } from '../../contract/search-attributes';
import { guardWorkflowId } from '../../contract/workflow-ids';
import { decodeWithin, lenientClient } from '../../temporal/readable';
import { readRunStatus } from '../../temporal/runs';
import type { TemporalSession } from '../temporal-session';
import type { Archive } from './archive';
import { eventLines, lastFailure, type HistoryEvent } from './event-lines';

/** Which runs are wanted. */
export interface RunWishes {
  readonly fabric: string;
  /** Runs that went on at this time or later. */
  readonly since: Date;
  /** Workflow ids of runs that are wanted however old they are. */
  readonly workflowIds: readonly string[];
  /** Where a worker listens, so that runs of that task queue can be asked for their steps; `undefined` when none does. */
  readonly answeringQueue: string | undefined;
}

const MOST_RUNS = 100;
const PARALLEL_RUNS = 4;
const READ_DEADLINE_MS = 15_000;
/** A larger history would fill the archive by itself. */
const MAX_HISTORY_BYTES = 16 * 1024 * 1024;
/** All of them are held in memory until the archive is packed. */
const MAX_HISTORIES_BYTES = 64 * 1024 * 1024;

interface RunId {
  readonly workflowId: string;
  readonly runId?: string;
}

/** Collects the runs, and returns what in them is not well, newest first. */
export async function collectRuns(archive: Archive, session: TemporalSession, wishes: RunWishes): Promise<string[]> {
  const { fabric, since, workflowIds, answeringQueue } = wishes;
  const listed = (await archive.attempt('runs of the fabric', () => listRunIds(session, fabric, since))) ?? [];
  if (listed.length > MOST_RUNS)
    archive.problem('runs of the fabric', `more than ${MOST_RUNS}: only the newest ones are here; name others with --run`);
  const wanted: RunId[] = [...workflowIds.map((workflowId) => ({ workflowId })), ...listed.slice(0, MOST_RUNS)];
  const leads = new Map<RunId, readonly string[]>();
  const budget = { bytes: MAX_HISTORIES_BYTES };
  const queue = wanted.values();
  const collect = async (): Promise<void> => {
    for (const run of queue)
      leads.set(
        run,
        (await archive.attempt(`run ${run.workflowId}`, () => collectRun(archive, session, run, budget, answeringQueue))) ?? [],
      );
  };
  await Promise.all(Array.from({ length: PARALLEL_RUNS }, collect));
  const guard = guardWorkflowId(fabric);
  // A fabric that never stood has no register.
  const isThere = await session.client.workflow.count(`WorkflowId = "${guard}"`).then(
    ({ count }) => count > 0,
    () => true,
  );
  if (isThere)
    await archive.attempt(`run ${guard}`, () => collectRun(archive, session, { workflowId: guard }, { bytes: MAX_HISTORY_BYTES }));
  return [...new Set(wanted.flatMap((run) => leads.get(run) ?? []))];
}

/** One more than are taken, newest first. */
async function listRunIds({ client }: TemporalSession, fabric: string, since: Date): Promise<RunId[]> {
  const time = since.toISOString();
  const query =
    `${FABRIC_ATTRIBUTE.name} = "${fabric}" AND WorkflowType != "GuardFabric" ` +
    `AND (StartTime >= "${time}" OR CloseTime >= "${time}" OR ExecutionStatus = "Running")`;
  const runs: RunId[] = [];
  for await (const { workflowId, runId } of lenientClient(client).list({ query, pageSize: MOST_RUNS + 1 })) {
    runs.push({ workflowId, runId });
    if (runs.length > MOST_RUNS) break;
  }
  return runs;
}

async function collectRun(
  archive: Archive,
  { client }: TemporalSession,
  run: RunId,
  budget: { bytes: number },
  answeringQueue?: string,
): Promise<string[]> {
  const { workflowId } = run;
  const within = <T>(ms: number, read: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + ms, read);
  const described = await within(READ_DEADLINE_MS, () => lenientClient(client).getHandle(workflowId, run.runId).describe());
  const { runId, historySize = 0 } = described;
  const handle = client.workflow.getHandle(workflowId, runId);
  const folder = ['runs', ...workflowId.split('/'), runId];
  const unread = new Set(await decodeWithin(described.raw.pendingActivities, client));
  const pending = pendingOf(described);
  archive.add([...folder, 'description.json'], { ...descriptionOf(described), pendingActivities: pending });
  if (described.taskQueue === answeringQueue) {
    const status = await archive.attempt(`status of run ${workflowId}`, () => within(READ_DEADLINE_MS, () => readRunStatus(handle)));
    if (status !== undefined) archive.add([...folder, 'status.json'], status);
  }
  let failure: string | undefined;
  const fits = historySize <= Math.min(MAX_HISTORY_BYTES, budget.bytes);
  if (fits) budget.bytes -= historySize;
  if (!fits) {
    archive.problem(
      `history of run ${workflowId}`,
      `its ${historySize} bytes are too many for the archive; see \`temporal workflow show\``,
    );
  } else {
    const history = await within(READ_DEADLINE_MS, () => handle.fetchHistory());
    for (const why of await decodeWithin(history, client)) unread.add(why);
    const json = JSON.parse(historyToJSON(history)) as { readonly events?: readonly HistoryEvent[] };
    archive.add([...folder, 'history.json'], json);
    archive.add([...folder, 'history.txt'], `${eventLines(json.events ?? []).join('\n')}\n`);
    failure = lastFailure(json.events ?? []);
  }
  for (const why of unread) archive.problem(`payloads of run ${workflowId}`, why);
  const name = described.status.name;
  if (['FAILED', 'TIMED_OUT', 'TERMINATED'].includes(name))
    return [`run ${workflowId} ${name.toLowerCase().replace('_', ' ')}${failure === undefined ? '' : `: ${failure}`}`];
  return pending
    .filter(({ attempt, lastFailure: message }) => attempt > 1 && message !== undefined)
    .map(
      ({ activityId, attempt, lastFailure: message }) =>
        `run ${workflowId} goes on: step ${activityId}, attempt ${attempt}: ${message ?? ''}`,
    );
}

interface PendingActivity {
  readonly activityId: string;
  readonly type: string;
  readonly attempt: number;
  readonly lastFailure?: string;
}

function pendingOf({ raw }: WorkflowExecutionDescription): PendingActivity[] {
  return (raw.pendingActivities ?? []).map(({ activityId, activityType, attempt, lastFailure: failure }) => ({
    activityId: activityId ?? '',
    type: activityType?.name ?? '',
    attempt: attempt ?? 1,
    ...(failure?.message ? { lastFailure: failure.message } : {}),
  }));
}

function descriptionOf(described: WorkflowExecutionDescription): object {
  const { workflowId, runId, type, status, taskQueue, startTime, closeTime, historyLength, historySize, memo } = described;
  const searchAttributes = Object.fromEntries(described.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
  return {
    workflowId,
    runId,
    type,
    status: status.name,
    taskQueue,
    startTime,
    closeTime,
    historyLength,
    historySize,
    memo,
    searchAttributes,
  };
}
