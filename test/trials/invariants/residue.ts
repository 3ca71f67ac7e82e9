// What a run says it has left is nothing, or owed: SettleCleanup goes on with it. Only the user can make that impossible.
import { describePlan } from '../requests';
import type { Observation } from '../observation';

export function checkResidue({ runs, user }: Observation): string[] {
  return runs.flatMap(({ plan, how, residue }) => {
    // It only goes forward: what it tells is what its next run goes on with.
    if (plan.kind === 'TeardownFabric' && how === 'cancelled') return [];
    return residue
      .filter(({ peer, owed }) => owed !== true && !user.disturbs(peer))
      .map(({ peer, object, why }) => `${describePlan(plan)} (${how}) left on ${peer}: ${object}: ${why}`);
  });
}
