// Claims and specs agree: each shared object is what its claims compose.
import { isDefused } from '../../../src/clusterlink/compose-peering';
import type { ImportResource, PeerResource } from '../../../src/clusterlink/resources';
import { EXPORT, IMPORT, POLICIES, type SharedKind } from '../../../src/clusterlink/shared-kind';
import { readClaims } from '../../../src/kubernetes/claim-marks';
import { canonicalJson } from '../../../src/kubernetes/digest';
import { refOf, type KubeObject } from '../../../src/kubernetes/kube-object';
import { eachManaged, type Observation } from '../observation';

export function checkSpecs(observation: Observation): string[] {
  return eachManaged(observation).flatMap(({ cluster, object, name }) => {
    if (observation.user.touched.has(name) || object.metadata.deletionTimestamp !== undefined) return [];
    if (object.kind === 'Peer') return checkPeer(observation, cluster, object as PeerResource, name);
    const [import_, export_, ...policies] = [
      composed(IMPORT, object),
      composed(EXPORT, object),
      ...POLICIES.map((kind) => composed(kind, object)),
    ];
    const wanted = import_ ?? export_ ?? policies.find((one) => one !== undefined);
    if (wanted === undefined) return [];
    if ('problem' in wanted) return [`${name} cannot be composed of its claims: ${wanted.problem}`];
    const spec = (object as ImportResource).spec;
    return canonicalJson(wanted.spec) === canonicalJson(spec)
      ? []
      : [`${name} is ${canonicalJson(spec)}, and its claims compose ${canonicalJson(wanted.spec)}`];
  });
}

/** Where a Peer leads is a fact, not a wish: the register knows it. A Peer that anybody claims is not to be defused. */
function checkPeer({ register, runs }: Observation, cluster: string, peer: PeerResource, name: string): string[] {
  const isTold = runs.some(({ residue }) => residue.some((left) => left.peer === cluster));
  if (isDefused(peer)) return isTold ? [] : [`${name} is claimed and defused`];
  const known = register?.peers.find((one) => one.name === peer.metadata.name)?.endpoint;
  if (known === undefined || peer.spec.gateways.some(({ host, port }) => host === known.host && port === known.port)) return [];
  return [`${name} leads to ${canonicalJson(peer.spec.gateways)}, and the register knows ${canonicalJson(known)}`];
}

function composed<N>(kind: SharedKind<N>, object: KubeObject): { readonly spec: unknown } | { readonly problem: string } | undefined {
  if (object.kind !== kind.kind) return undefined;
  const claims = readClaims<N>(object);
  if (claims.length === 0) return undefined;
  try {
    return { spec: kind.compose(refOf(object))(claims, object)['spec'] };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
