// No run is stuck: each ends within the bound that its deadlines give.
import { describePlan } from '../requests';
import type { Observation } from '../observation';

export function checkEnded({ runs }: Observation): string[] {
  return runs
    .filter(({ how }) => how === 'stuck')
    .map(({ plan, workflowId }) => `${describePlan(plan)} (${workflowId}) did not end within its deadlines`);
}
