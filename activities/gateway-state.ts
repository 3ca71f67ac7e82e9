// How a gateway stands at this moment: whether its pods serve, and which peers it reaches. A look, which waits for nothing.
import { reachability } from '../src/clusterlink/compose-peering';
import type { GatewayState } from '../src/contract/results';
import { isFabricError } from '../src/errors/fabric-error';
import { readAnchor, type GatewayPlace } from './gateway-anchor';
import { deploymentTrouble, type Deployment } from './gateway-endpoint';
import { GATEWAY_DEPLOYMENTS } from './gateway-objects';
import { listPeers } from './peering';

/** The state of the peer's gateway; undefined where there is none, or it may not be looked at. */
export async function observeGatewayState(place: GatewayPlace): Promise<GatewayState | undefined> {
  const { cluster, namespace, signal } = place;
  try {
    const [anchor, { items }, peers] = await Promise.all([
      readAnchor(place),
      cluster.list<Deployment>({ apiVersion: 'apps/v1', kind: 'Deployment', namespace }, signal),
      listPeers(cluster, namespace),
    ]);
    if (anchor?.data?.peer !== place.peer) return undefined;
    const troubles = GATEWAY_DEPLOYMENTS.flatMap((name) => {
      const why = deploymentTrouble(items.find(({ metadata }) => metadata.name === name));
      return why === undefined ? [] : [`${name} ${why}`];
    });
    const links = peers
      .map((peer) => ({ peer: peer.metadata.name, reachable: reachability(peer)?.status === 'True' }))
      .sort((one, other) => (one.peer < other.peer ? -1 : 1));
    return { ready: troubles.length === 0, troubles, links };
  } catch (error) {
    // What may not be looked at is told by the finding on permissions.
    if (isFabricError(error, 'forbidden')) return undefined;
    throw error;
  }
}
