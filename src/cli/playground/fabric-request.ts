// The request that makes the show's fabric, for the show itself and for whoever repeats it.
import type { BootstrapRequestInput } from '../../model/requests';
import type { PeerInput } from '../../model/peer';
import type { SimulatedClusters } from '../../playground/simulated-cluster';
import { type Cast, FABRIC } from './cast';

/** A peer on a simulated cluster; its gateway's port is one that is free on loopback, where all of them listen. */
export function peerOn(clusters: SimulatedClusters, name: string): PeerInput {
  return { name, context: name, ingress: { type: 'LoadBalancer', port: clusters.cluster(name).ingressPort } };
}

/** All peers, linked to the hub. */
export function fabricRequest(clusters: SimulatedClusters, { peers, hub }: Cast): BootstrapRequestInput {
  return { fabric: FABRIC, peers: peers.map((name) => peerOn(clusters, name)), links: { kind: 'hub-and-spoke', hub } };
}
