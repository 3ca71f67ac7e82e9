// Every claim on a peer, and how the runs that made them fare: from these two follows what nobody answers for any more.
import { isGrpcServiceError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { ExportNeed } from '../src/clusterlink/compose-export';
import type { ImportNeed } from '../src/clusterlink/compose-import';
import type { ClaimHolder, RunState, Steps } from '../src/contract/activities';
import { settleWorkflowId } from '../src/contract/workflow-ids';
import { readClaims } from '../src/kubernetes/claim-marks';
import { listManaged } from '../src/kubernetes/inventory';
import { describeRef, refOf, type KubeObject } from '../src/kubernetes/kube-object';
import { isRecord } from '../src/model/problems';
import { signal } from './activity-context';
import { askTemporal } from './ask-temporal';
import type { ActivityDeps } from './deps';
import { inParallel } from './in-parallel';
import { namespacesToLookAt } from './inventory';

/** gRPC status code. Source: google.rpc.Code. */
const INVALID_ARGUMENT = 3;

/** `listClaims`, `judgeRuns`. */
export function claimListActivities({ clusters }: ActivityDeps): Pick<Steps, 'listClaims' | 'judgeRuns'> {
  return {
    async listClaims({ fabric, peer }) {
      const cluster = clusters.cluster(peer);
      const namespaces = await namespacesToLookAt(cluster, peer.namespace, signal());
      const objects = await listManaged(cluster, { fabric, namespaces, signal: signal() });
      return { holders: holdersOf(objects.filter(({ kind }) => kind !== 'Job')) };
    },

    async judgeRuns({ fabric, runs }) {
      const judged = await inParallel(runs, ({ by, run }) =>
        askTemporal(`The run ${by}`, settleWorkflowId(fabric), async (client): Promise<{ state: RunState; repeated: boolean }> => {
          const { state } = await describeRun(client, by, run);
          if (state === 'running' || state === 'done') return { state, repeated: false };
          const latest = await describeRun(client, by);
          const isLater = latest.run !== undefined && latest.run !== run;
          return {
            state: isLater && latest.state === 'running' ? 'running' : state,
            repeated: isLater && latest.state === 'done',
          };
        }),
      );
      return { states: judged.map(({ state }) => state), repeated: judged.map(({ repeated }) => repeated) };
    },
  };
}

/** Each claim of each run, with what carries it. */
function holdersOf(objects: readonly KubeObject[]): ClaimHolder[] {
  const holders = new Map<string, Mutable<ClaimHolder> & { objects: string[] }>();
  for (const object of objects) {
    for (const { id, by, run, changedBy, need, earlier } of readClaims<unknown>(object)) {
      // Whoever wrote a claim by hand may have named another run's.
      const key = `${id} ${by} ${run} ${changedBy ?? ''}`;
      const holder = holders.get(key) ?? { claim: id, by, run, ...(changedBy === undefined ? {} : { changedBy }), objects: [] };
      if (earlier !== undefined) holder.changes = true;
      if (changedBy !== undefined && object.kind === 'Import') holder.sources = namesIn(need, 'sources');
      if (changedBy !== undefined && object.kind === 'Export') holder.importers = namesIn(need, 'importers');
      holder.objects.push(describeRef(refOf(object)));
      holders.set(key, holder);
    }
  }
  return [...holders.values()];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The names in one field of a need, which somebody may have written by hand. */
function namesIn(need: unknown, field: keyof ImportNeed | keyof ExportNeed): string[] {
  const names = isRecord(need) ? need[field] : undefined;
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
}

/** How a run stands. @param run default: the latest of that workflow id */
async function describeRun(client: Client, by: string, run?: string): Promise<{ readonly state: RunState; readonly run?: string }> {
  try {
    const { status, runId } = await client.workflow.getHandle(by, run).describe();
    return { state: STATES[status.name] ?? 'unknown', run: runId };
  } catch (error) {
    // What somebody wrote by hand into a claim may be no id at all.
    if (error instanceof WorkflowNotFoundError || isInvalidArgument(error)) return { state: 'unknown' };
    throw error;
  }
}

function isInvalidArgument(error: unknown): boolean {
  const answer = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  return isGrpcServiceError(answer) && (answer.code as number) === INVALID_ARGUMENT;
}

const STATES: Readonly<Record<string, RunState>> = {
  RUNNING: 'running',
  CONTINUED_AS_NEW: 'running',
  COMPLETED: 'done',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  TERMINATED: 'terminated',
  TIMED_OUT: 'timed-out',
};
