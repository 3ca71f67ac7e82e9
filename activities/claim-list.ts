// Every claim on a peer, and how the runs that made them fare: from these two follows what nobody answers for any more.
import { WorkflowNotFoundError } from '@temporalio/client';
import type { ClaimHolder, RunState, Steps } from '../src/contract/activities';
import { settleWorkflowId } from '../src/contract/workflow-ids';
import { readClaims } from '../src/kubernetes/claim-marks';
import { listManaged } from '../src/kubernetes/inventory';
import { describeRef, refOf } from '../src/kubernetes/kube-object';
import { signal } from './activity-context';
import { askTemporal } from './ask-temporal';
import type { ActivityDeps } from './deps';
import { inParallel } from './in-parallel';
import { namespacesToLookAt } from './inventory';

/** `listClaims`, `judgeRuns`. */
export function claimListActivities({ clusters }: ActivityDeps): Pick<Steps, 'listClaims' | 'judgeRuns'> {
  return {
    async listClaims({ fabric, peer }) {
      const cluster = clusters.cluster(peer);
      const namespaces = await namespacesToLookAt(cluster, peer.namespace, signal());
      const holders = new Map<string, ClaimHolder & { readonly objects: string[] }>();
      for (const object of await listManaged(cluster, { fabric, namespaces, signal: signal() })) {
        for (const { id, by, run } of readClaims<unknown>(object)) {
          const key = `${id} ${run}`;
          const holder = holders.get(key) ?? { claim: id, by, run, objects: [] };
          holder.objects.push(describeRef(refOf(object)));
          holders.set(key, holder);
        }
      }
      return { holders: [...holders.values()] };
    },

    async judgeRuns({ fabric, runs }) {
      const states = await inParallel(runs, ({ by, run }) =>
        askTemporal(`The run ${by}`, settleWorkflowId(fabric), async (client): Promise<RunState> => {
          try {
            const { status } = await client.workflow.getHandle(by, run).describe();
            return STATES[status.name] ?? 'unknown';
          } catch (error) {
            if (error instanceof WorkflowNotFoundError) return 'unknown';
            throw error;
          }
        }),
      );
      return { states };
    },
  };
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
