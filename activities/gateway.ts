// The activities that install, await and remove a peer's gateway. What each does is in the file of its noun, gateway-*.ts.
import type { Steps } from '../src/contract/activities';
import type { Claimant } from '../src/model/claimant';
import type { PeerAddress } from '../src/model/peer';
import { signal } from './activity-context';
import type { ActivityDeps } from './deps';
import { removeEchoes } from './echo';
import { exportActivities } from './export';
import type { GatewayPlace } from './gateway-anchor';
import { dropPendingKey } from './gateway-certificates';
import { awaitGateway } from './gateway-endpoint';
import { deployGateway, prepareGateway } from './gateway-install';
import { dropEarlier } from './gateway-record';
import { finishRemoval, releaseGateway } from './gateway-removal';
import { importActivities } from './import';
import { inParallel } from './in-parallel';

/** `prepareGateway`, `deployGateway`, `awaitGateway`, `settleGateway`, `releaseGateway`. */
export function gatewayActivities(
  deps: ActivityDeps,
): Pick<Steps, 'prepareGateway' | 'deployGateway' | 'awaitGateway' | 'settleGateway' | 'releaseGateway'> {
  const placeOf = (fabric: string, peer: PeerAddress): GatewayPlace => ({
    cluster: deps.clusters.cluster(peer),
    fabric,
    namespace: peer.namespace,
    peer: peer.name,
    signal: signal(),
  });
  const releaseConnections = async (claimant: Claimant, peer: PeerAddress): Promise<void> => {
    const everything = { claimant, peer, scope: 'all', selection: {} } as const;
    // Nothing may still come in by an Import when the Export behind it goes.
    await importActivities(deps).releaseImports(everything);
    await exportActivities(deps).releaseExports(everything);
    const { cluster, fabric, namespace } = placeOf(claimant.fabric, peer);
    await removeEchoes(cluster, { fabric, namespace });
  };
  return {
    prepareGateway: async (input) => {
      const { claimant, peer } = input;
      const place = placeOf(claimant.fabric, peer);
      const finished = await finishRemoval(place, claimant, () => releaseConnections(claimant, peer));
      const prepared = await prepareGateway(place, input);
      return { ...prepared, changed: finished || prepared.changed };
    },
    deployGateway: async (input) => deployGateway(placeOf(input.claimant.fabric, input.peer), input),
    awaitGateway: async ({ fabric, peer, clusterlink }) => awaitGateway(placeOf(fabric, peer), peer, clusterlink.probeGateways),
    settleGateway: async ({ claimant, peer }) => {
      // Also what an earlier run of the same request left: what this run leaves standing is the settled state now.
      const dropped = await inParallel([dropEarlier, dropPendingKey], (drop) => drop(placeOf(claimant.fabric, peer), claimant, undefined));
      return { changed: dropped.includes(true) };
    },
    releaseGateway: async ({ claimant, peer, scope }) =>
      releaseGateway(placeOf(claimant.fabric, peer), claimant, scope, () => releaseConnections(claimant, peer)),
  };
}
