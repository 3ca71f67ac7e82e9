// Where a step happens: a peer, and the task queue of its own worker if it has one.
import type { PeerAddress } from '../src/model/peer';

/** A peer's address, and the task queue of its own worker if it has one. */
export type Place = PeerAddress & { readonly taskQueue?: string | undefined };

/** Only what an activity needs of a peer travels to it. */
export function addressOf(peer: Place): PeerAddress {
  const { name, context, kubeconfig, namespace, clusterUid } = peer;
  return {
    name,
    context,
    namespace,
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(clusterUid === undefined ? {} : { clusterUid }),
  };
}
