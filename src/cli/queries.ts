// What commands read from Temporal: a fabric's register, and its runs.
import { readRegister } from '../contract/read-register';
import type { Register } from '../contract/register';
import { FABRIC_ATTRIBUTE } from '../contract/search-attributes';
import type { RunStatus } from '../contract/status';
import { FabricError } from '../errors/fabric-error';
import { lenientClient } from '../temporal/readable';
import { readRunStatus } from '../temporal/runs';
import { requireWorkers, type TemporalSession } from './temporal-session';

/** A run as the list of runs tells of it. */
export interface RunSummary {
  readonly workflowId: string;
  readonly runId: string;
  /** The workflow's name. */
  readonly kind: string;
  readonly outcome: 'running' | 'done' | 'failed' | 'cancelled' | 'terminated' | 'timed-out';
  /** ISO 8601. */
  readonly startedAt: string;
  /** So far, while it runs. */
  readonly durationMs: number;
}

const READ_DEADLINE_MS = 15_000;

/** The register of a fabric; `undefined` when there is no such fabric. @throws unavailable when no worker can answer for it */
export async function fabricRegister(session: TemporalSession, fabric: string, taskQueue: string): Promise<Register | undefined> {
  await requireWorkers(session, taskQueue);
  return session.client.withDeadline(Date.now() + READ_DEADLINE_MS, () => readRegister(session.client, fabric));
}

/** The register of a fabric that must exist. @throws not_found */
export async function existingRegister(session: TemporalSession, fabric: string, taskQueue: string): Promise<Register> {
  return (await fabricRegister(session, fabric, taskQueue)) ?? noFabric(session, fabric);
}

/** @throws not_found, always */
export function noFabric({ address, namespace }: TemporalSession, fabric: string): never {
  throw new FabricError({
    code: 'not_found',
    message: `there is no fabric ${fabric} in namespace ${namespace} at ${address}`,
    hint: 'Make one with `skyfabric bootstrap`, or name another with --fabric.',
  });
}

/** The fabric's runs, newest first. @param fabric a valid name */
export async function listRuns(
  { client }: TemporalSession,
  fabric: string,
  options: { readonly limit: number; readonly onlyRunning?: boolean },
): Promise<RunSummary[]> {
  const running = options.onlyRunning === true ? ' AND ExecutionStatus = "Running"' : '';
  const query = `${FABRIC_ATTRIBUTE.name} = "${fabric}" AND WorkflowType != "GuardFabric"${running}`;
  const runs: RunSummary[] = [];
  for await (const { workflowId, runId, type, status, startTime, closeTime } of lenientClient(client).list({
    query,
    pageSize: options.limit,
  })) {
    runs.push({
      workflowId,
      runId,
      kind: type,
      outcome: outcomeOf(status.name),
      startedAt: startTime.toISOString(),
      durationMs: (closeTime ?? new Date()).getTime() - startTime.getTime(),
    });
    if (runs.length === options.limit) break;
  }
  return runs.sort((a, b) => b.startedAt.localeCompare(a.startedAt));
}

/** One run's steps. @throws not_found; `unavailable` when no worker can answer for it */
export async function runStatus(
  session: TemporalSession,
  workflowId: string,
): Promise<RunStatus & { readonly workflowId: string; readonly runId: string }> {
  const handle = session.client.workflow.getHandle(workflowId);
  const { taskQueue, runId } = await handle.describe();
  await requireWorkers(session, taskQueue);
  const status = await session.client.withDeadline(Date.now() + READ_DEADLINE_MS, () => readRunStatus(handle));
  return { workflowId, runId, ...status };
}

/** How a run stands, from Temporal's name of its status. */
export function outcomeOf(statusName: string): RunSummary['outcome'] {
  return OUTCOMES[statusName] ?? 'running';
}

const OUTCOMES: Readonly<Record<string, RunSummary['outcome']>> = {
  COMPLETED: 'done',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  TERMINATED: 'terminated',
  TIMED_OUT: 'timed-out',
};
