// What a failed run says it has left is nothing, or lies on a cluster that was kept away or that the user made impossible.
import { describePlan } from '../requests';
import type { Observation } from '../observation';

export function checkResidue({ runs, keptAway, user }: Observation): string[] {
  return runs.flatMap(({ plan, how, residue }) => {
    // It only goes forward: what it tells is what its next run goes on with.
    if (plan.kind === 'TeardownFabric' && how === 'cancelled') return [];
    return residue
      .filter(({ peer }) => !keptAway.has(peer) && !user.disturbs(peer))
      .map(({ peer, object, why }) => `${describePlan(plan)} (${how}) left on ${peer}: ${object}: ${why}`);
  });
}
