// Asks Temporal to cancel a run, once it is known to be one, and to go on still.
import { WorkflowNotFoundError } from '@temporalio/client';
import { isRunKind, type RunKind } from '../contract/runs';
import { FabricError } from '../errors/fabric-error';
import { lenientClient } from '../temporal/readable';
import { outcomeOf, type RunSummary } from './queries';
import { requireWorkers, type TemporalSession } from './temporal-session';

const READ_DEADLINE_MS = 15_000;

/** A run that is to end. */
export interface Cancelling {
  readonly workflowId: string;
  readonly runId: string;
}

/**
 * Asks the latest run of this id to cancel; a second time is as good as once.
 * @param willWait whether somebody waits for its end, so that a worker must be there
 * @throws WorkflowNotFoundError when there is no such run; conflict when it has ended; invalid for a workflow that is no run;
 * unavailable when nobody would carry it out while one waits
 */
export async function cancelRun(session: TemporalSession, workflowId: string, willWait: boolean): Promise<Cancelling> {
  return session.client.withDeadline(Date.now() + READ_DEADLINE_MS, async () => {
    const client = lenientClient(session.client);
    const { runId, type, status, taskQueue } = await client.getHandle(workflowId).describe();
    if (!isRunKind(type)) throw noRun(workflowId, type);
    if (status.name !== 'RUNNING') throw hasEnded(workflowId, type, outcomeOf(status.name));
    if (willWait) await requireWorkers(session, taskQueue);
    const run = client.getHandle(workflowId, runId);
    try {
      await run.cancel();
    } catch (error) {
      // So Temporal calls a run that has just ended.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      throw hasEnded(workflowId, type, outcomeOf((await run.describe()).status.name));
    }
    return { workflowId, runId };
  });
}

const ENDED: Readonly<Record<RunSummary['outcome'], string>> = {
  running: 'has ended',
  done: 'is done',
  failed: 'has failed',
  cancelled: 'was cancelled',
  terminated: 'was terminated',
  'timed-out': 'has timed out',
};

/** What takes back a run that is done. */
const INVERSE: Partial<Record<RunKind, string>> = {
  BootstrapFabric: 'teardown',
  ConnectServiceAcrossClusters: 'disconnect',
  EstablishLink: 'unlink',
};

function hasEnded(workflowId: string, kind: RunKind, outcome: RunSummary['outcome']): FabricError {
  const inverse = outcome === 'done' ? INVERSE[kind] : undefined;
  return new FabricError({
    code: 'conflict',
    message: `${workflowId} ${ENDED[outcome]} already, so there is nothing to cancel`,
    hint:
      inverse === undefined ? 'See `skyfabric status` for what still runs.' : `What it made is taken back with \`skyfabric ${inverse}\`.`,
  });
}

/** The fabric's own workflows are no request of anybody, and others are not ours. */
function noRun(workflowId: string, type: string): FabricError {
  const [what, hint] = NO_RUNS[type] ?? [`a workflow ${type}, none of Skyfabric's`, 'See `skyfabric history` for the runs there are.'];
  return new FabricError({ code: 'invalid', message: `${workflowId} is no run, but ${what}`, hint });
}

const NO_RUNS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  GuardFabric: ["its fabric's register", 'The register ends with its fabric: see `skyfabric teardown --help`.'],
  SettleCleanup: [
    'the cleanup that is owed to its fabric',
    'What is owed is given up with `skyfabric cleanup --forget PEER`, or `--forget-fabric`.',
  ],
};
