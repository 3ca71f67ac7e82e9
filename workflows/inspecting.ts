// What a run looks at in peers that are members already, before it changes anything.
import type { RegisteredPeer } from '../src/contract/register';
import type { Linkable } from './linking';
import { lookAtAll } from './looks';
import type { Run } from './run';
import { together } from './together';

/** Sees that every gateway answers, and where, and records what stands on each peer. */
export async function findGateways(run: Run, peers: readonly RegisteredPeer[]): Promise<readonly Linkable[]> {
  const { fabric } = run.claimant;
  return lookAtAll(peers, async (member) => {
    const { endpoint: _endpoint, clusterlink, ...peer } = member;
    const [{ endpoint }] = await together([
      () =>
        run.step({ title: 'find gateway', peer, patience: 'look' }, (activities) => activities.awaitGateway({ fabric, peer, clusterlink })),
      () => run.recordInventory(peer),
    ]);
    return { place: peer, endpoint };
  });
}
